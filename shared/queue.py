"""The jobs that arq carries: one function, one argument."""

import time

from arq.jobs import serialize_job

from shared import codec
from shared.messages import StageJob

FUNCTION = "run_stage"
"""The name under which every stage worker registers its one function."""


def stage_job(task_id: str) -> bytes:
    """The job that works on `task_id`, as arq stores it. The scripts put it into a queue."""
    argument = codec.encode(StageJob(task_id=task_id))
    return serialize_job(FUNCTION, (argument,), {}, None, int(time.time() * 1000), serializer=codec.pack)
