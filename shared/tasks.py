"""The task record, as clients and operators read it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from shared import codec, keys
from shared.messages import Failure, Options, StageName, State, Step, WebhookAttempt, WebhookState
from shared.redis import Redis

_LOOK_AT = 200
"""Tasks of a list that are read at a time for a filter …"""
_MOST_LOOKS = 20
"""… and how often for one page: a filter that few tasks pass must not hold up everybody else."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of a task's end, and what has become of it."""

    url: str
    state: WebhookState
    attempts: tuple[WebhookAttempt, ...]


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
    webhook: Webhook | None = None
    traceparent: str | None = None
    """Where in which trace it was submitted, if in any."""
    trail: bytes = b""
    """What was written down of its life; `shared.timeline` reads it."""


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """What is still known of a task that has expired."""

    task_id: str
    owner: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a list of tasks, the newest first. `cursor` is where the next one starts, None behind the last."""

    tasks: Sequence[Task]
    cursor: int | None


async def read(redis: Redis, task_id: str) -> Task | None:
    """The task, or None when there is none by this id (it never was, or it has expired)."""
    return _task(task_id, await redis.hgetall(keys.task(task_id)))


async def read_former(redis: Redis, task_id: str) -> Former | None:
    """What is left of a task by this id, if there has been one not too long ago."""
    owner = await redis.get(keys.tombstone(task_id))
    return None if owner is None else Former(task_id=task_id, owner=owner.decode())


async def newest(
    redis: Redis, owner: str, *, count: int, cursor: int | None = None, state: State | None = None
) -> Page:
    """Up to `count` tasks of `owner`, all or those in `state`, from `cursor` on. Whatever comes or expires meanwhile,
    no other task comes twice or is left out. With a filter a page may be short though more follow."""
    index, found = keys.tasks_of(owner), list[Task]()
    look_at = count + 1 if state is None else _LOOK_AT
    for _ in range(_MOST_LOOKS):
        high = "+inf" if cursor is None else f"({cursor}"
        places = await redis.zrevrangebyscore(index, high, "-inf", start=0, num=look_at, withscores=True)
        for (name, place), task in zip(places, await _read_all(redis, [name for name, _ in places]), strict=True):
            if len(found) == count:
                return Page(tasks=found, cursor=cursor)
            cursor = int(place)
            if task is None:
                await redis.zrem(index, name)
            elif state is None or task.state is state:
                found.append(task)
        if len(places) < look_at:
            return Page(tasks=found, cursor=None)
    return Page(tasks=found, cursor=cursor)


async def _read_all(redis: Redis, names: Sequence[bytes]) -> Sequence[Task | None]:
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(keys.task(name.decode()))
        records = await pipe.execute()
    return [_task(name.decode(), fields) for name, fields in zip(names, records, strict=True)]


def _task(task_id: str, fields: Mapping[bytes, bytes]) -> Task | None:
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
        webhook=_webhook(fields),
        traceparent=fields.get(b"traceparent", b"").decode() or None,
        trail=fields.get(b"trail", b""),
    )


def _webhook(fields: Mapping[bytes, bytes]) -> Webhook | None:
    url = fields.get(b"webhook")
    if url is None:
        return None
    return Webhook(
        url=url.decode(),
        state=WebhookState(fields.get(b"webhook_state", b"waiting").decode()),
        attempts=tuple(map(codec.decode_webhook_attempt, fields.get(b"webhook_log", b"").splitlines())),
    )


async def states(redis: Redis, task_ids: Sequence[str]) -> Sequence[State | None]:
    """The state of each task, None for one that there is not."""
    pipeline = cast("Any", redis).pipeline(transaction=False)
    for task_id in task_ids:
        pipeline.hget(keys.task(task_id), "state")
    return [State(state.decode()) if state else None for state in await pipeline.execute()]


def _time(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
