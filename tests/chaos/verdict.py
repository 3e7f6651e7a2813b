"""Whether anything was lost, or came twice, or was left behind."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis as BlockingRedis

from shared import codec, events, keys, tasks
from shared.messages import StageName, State, Step
from shared.redis import Redis
from tests.chaos.crowd import Kind, Plan, Seen
from tests.conftest import RedisServer

_OLD_SECONDS = 3_600
_LOCK = "lock"
"""What a gateway that lives holds in its spool."""


class Trace(NamedTuple):
    """What a task leaves: the steps of its events, and the records of each stage."""

    steps: Sequence[Step]
    records: Mapping[StageName, Sequence[bytes]]


async def trace_of(redis: Redis, task_id: str) -> Trace:
    """What this task has left."""
    steps = [codec.decode_event(event).step async for _, event in events.history(redis, task_id)]
    entries = {stage: await redis.xrange(keys.out(task_id, stage)) for stage in StageName}
    return Trace(steps, {stage: [fields[b"record"] for _, fields in some] for stage, some in entries.items()})


class Peace:
    """What tasks and calls of each kind leave when nothing happens."""

    def __init__(self) -> None:
        self._traces: dict[Kind, Trace] = {}
        self._outcomes: dict[Kind, Any] = {}

    async def learn(self, redis: Redis, seen: Seen) -> None:
        """Take this one as the measure of its kind."""
        if seen.plan.kind.stage:
            self._outcomes[seen.plan.kind] = seen.outcome
        else:
            self._traces[seen.plan.kind] = await trace_of(redis, seen.task_id)

    async def faults(self, redis: Redis, seen: Seen) -> list[str]:
        """What is wrong with what somebody has seen, and with what their task has left."""
        if seen.error:
            found = [seen.error]
        elif seen.plan.kind.stage:
            found = [] if seen.outcome == self._outcomes[seen.plan.kind] else ["the outcome is not that of peace"]
        else:
            found = [*await _stream_faults(redis, seen), *await self._task_faults(redis, seen.plan, seen.task_id)]
        return [f"{seen.plan} {seen.task_id}: {fault}" for fault in found]

    async def _task_faults(self, redis: Redis, plan: Plan, task_id: str) -> list[str]:
        expected, trace = self._traces[plan.kind], await trace_of(redis, task_id)
        task = await tasks.read(redis, task_id)
        found: list[str] = []
        if [step.terminal for step in trace.steps] != [False] * (len(trace.steps) - 1) + [True]:
            found.append(f"there is not one terminal event, at the end: {trace.steps}")
        if task is None or trace.steps[-1:] != [Step(task.state.value)]:
            found.append(f"the task is {task and task.state}, its last event {trace.steps[-1:]}")
        elif task.state is State.COMPLETED:
            found += [] if trace == expected else [f"not the same as in peace: {trace}"]
        elif task.state is not State.CANCELLED or not plan.cancels_after:
            found.append(f"it has ended as {task.state}: {task.error}")
        elif not _begins(trace, expected):
            found.append(f"not the beginning of what it would have been in peace: {trace}")
        return found


def _begins(trace: Trace, expected: Trace) -> bool:
    """Whether a cancelled task has left nothing but the beginning of what it would have left."""
    steps = [*trace.steps[:-1]]
    parts = [(trace.records[stage], expected.records[stage]) for stage in StageName]
    return steps == [*expected.steps[: len(steps)]] and all(some == whole[: len(some)] for some, whole in parts)


async def _stream_faults(redis: Redis, seen: Seen) -> list[str]:
    log = [(f"{number}-0", event) async for number, event in events.history(redis, seen.task_id)]
    if [event_id for event_id, _ in log] != [f"{number}-0" for number in range(1, len(log) + 1)]:
        return [f"the log has gaps: {log}"]
    if seen.events != log:
        return [f"its client has had {[event_id for event_id, _ in seen.events]} of {len(log)} events, or others"]
    return []


def twins(server: RedisServer, seen: Iterable[Seen]) -> list[str]:
    """Tasks that nobody has submitted: made twice of one submission. Direct calls that could not clean up are none."""
    before, _, behind = keys.task("*").partition("*")
    known = {one.task_id for one in seen}
    with _blocking(server) as redis:
        names = [key.decode() for key in redis.scan_iter(match=keys.task("*"), count=1000)]
        found = {name.removeprefix(before).removesuffix(behind) for name in names if not redis.hexists(name, "reply")}
    return [f"nobody has submitted the task {task_id}" for task_id in found - known]


def lasting(server: RedisServer) -> list[str]:
    """Keys that would be there for ever."""
    with _blocking(server) as redis:
        names = [key.decode() for key in redis.scan_iter(count=1000)]
        return [
            f"{name} never expires" for name in names if not name.startswith(keys.PERMANENT) and redis.ttl(name) == -1
        ]


def _blocking(server: RedisServer) -> Any:
    return BlockingRedis(port=server.port)


def grow_old(folder: Path) -> None:
    """Let an hour pass for the recordings in `folder`: what a gateway has stored for a task that it could no longer
    make is kept for a while."""
    then = time.time() - _OLD_SECONDS
    for path in _files(folder):
        with suppress(FileNotFoundError):  # it was not kept after all
            os.utime(path, (then, then))


def left(*folders: Path) -> list[str]:
    """Recordings that lie there, whole or in part."""
    return [f"{path} is left" for folder in folders for path in _files(folder) if path.name != _LOCK]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
