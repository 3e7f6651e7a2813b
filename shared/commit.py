"""What an attempt has to say in one state change: the records, the events and the end that `shared.scripts` commits."""

from collections.abc import Sequence

import msgspec

from shared.messages import Message


class PublishedEvent(Message, frozen=True, omit_defaults=False):
    """An event on its way: `data` is published, `logged` is what the log keeps of it where that is less. `record` is
    the number of the record that it reports, 0 for a step."""

    data: str
    step: str
    progress: int
    record: int = 0
    logged: str | None = None


class NextJob(Message, frozen=True, omit_defaults=False):
    """The job of the stage behind, enqueued with the first record."""

    stage: str
    job_id: str
    wake: str


class Commit(Message, frozen=True, omit_defaults=False):
    """One state change of an attempt, the first, second, … by its `number`."""

    task_id: str
    stage: str
    job_id: str
    before: str
    position: int
    token: int
    channel: str
    ttl_ms: int
    wait_ms: int
    number: int = 1
    first: int = 1
    opens: bool = False
    """Whether these are the first records of the attempt."""
    events: Sequence[PublishedEvent] = ()
    ends: bool = False
    segments: int = 0
    result: str | None = None
    next: NextJob | None = None


class Committed(msgspec.Struct, frozen=True):
    """What a commit found. `total` is the number of segments of the stage before, None while it still works."""

    due: bool
    total: int | None
    refused: int
