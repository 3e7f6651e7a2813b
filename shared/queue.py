"""The jobs that arq carries: one function, one argument."""

import time

import msgspec
from arq.jobs import DeserializationError, deserialize_job_raw, serialize_job

from shared import codec
from shared.messages import StageJob

FUNCTION = "run_stage"
"""The name under which every stage worker registers its one function."""


def stage_job(task_id: str, traceparent: str | None = None) -> bytes:
    """The job that works on `task_id`, as arq stores it. The scripts put it into a queue. Its attempts belong to the
    trace of `traceparent`."""
    argument = codec.encode(StageJob(task_id=task_id, traceparent=traceparent))
    return serialize_job(FUNCTION, (argument,), {}, None, int(time.time() * 1000), serializer=codec.pack)


def job_of(job: bytes) -> StageJob:
    """What a job says. Raises `ValueError` for what is no such job."""
    try:
        _, (argument,), *_ = deserialize_job_raw(job, deserializer=codec.unpack)
        return codec.decode_job(argument)
    except (DeserializationError, msgspec.MsgspecError, TypeError) as error:
        raise ValueError("not a job of a stage") from error
