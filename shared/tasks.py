"""The task record, as clients and operators read it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from shared import codec, keys
from shared.messages import Failure, Options, StageName, State, Step
from shared.redis import Redis


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task. Times are UTC; `last_event` is the number of the latest event in its log."""

    task_id: str
    state: State
    step: Step
    progress: int
    route: tuple[StageName, ...]
    options: Options
    owner: str
    name: str
    blob: str
    created: datetime
    finished: datetime | None
    error: Failure | None
    last_event: int


async def read(redis: Redis, task_id: str) -> Task | None:
    """The task, or None when there is none by this id (it never was, or it has expired)."""
    fields: Mapping[bytes, bytes] = await redis.hgetall(keys.task(task_id))
    if not fields:
        return None
    finished, error = fields.get(b"finished"), fields.get(b"error")
    return Task(
        task_id=task_id,
        state=State(fields[b"state"].decode()),
        step=Step(fields[b"step"].decode()),
        progress=int(fields[b"progress"]),
        route=tuple(StageName(name) for name in fields[b"route"].decode().split(",")),
        options=codec.decode_options(fields[b"options"]),
        owner=fields.get(b"owner", b"").decode(),
        name=fields[b"name"].decode(),
        blob=fields[b"blob"].decode(),
        created=_time(fields[b"created"]),
        finished=_time(finished) if finished else None,
        error=codec.decode_failure(error) if error else None,
        last_event=int(fields.get(b"events", b"0")),
    )


def _time(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
