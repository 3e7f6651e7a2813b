"""Cancelling a task, wherever it stands."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from shared import keys, tasks
from shared.messages import StageName, State, Step
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import watched
from tests.fakes.stages import STAGES, FakeEngine, nothing
from tests.mesh import log_of, until_ended, working

ASR, NLP, INSIGHTS = StageName.ASR, StageName.NLP, StageName.INSIGHTS


async def submit(client: httpx.AsyncClient) -> str:
    answer = await client.post("/audio/tasks", files={"audio": ("a.wav", wav())}, data={"include_insights": "true"})
    return str(answer.json()["task_id"])


class Halt:
    """An engine's work that stands still at one segment of one stage (0 is the work on the whole document)."""

    def __init__(self, stage: StageName | None, number: int) -> None:
        self.stage = stage
        self.number = number
        self.reached = threading.Event()
        self.over = threading.Event()

    def at(self, stage: StageName) -> Callable[[int], None]:
        def work(number: int) -> None:
            if number == self.number:
                self.reached.set()
                self.over.wait(20)

        return work if stage is self.stage else nothing


async def jobs_left(redis: Redis) -> Sequence[str]:
    """All that the queues still hold of any task."""
    return sorted([key.decode() async for key in redis.scan_iter("arq:*")])


class Point(NamedTuple):
    """A place in the pipeline: which stages have workers, where one stands still, and what clients have seen last."""

    at_work: Sequence[StageName]
    stage: StageName | None
    number: int
    last_step: Step | None


POINTS = {
    "queued": Point((), None, 0, None),
    "first-stage-at-work": Point((ASR,), ASR, 1, Step.STARTED),
    "next-stage-waiting": Point((ASR, NLP), ASR, 2, Step.TRANSCRIPTION),
    "between-stages": Point((ASR,), None, 0, Step.TRANSCRIPTION_COMPLETE),
    "middle-stage-at-work": Point((ASR, NLP), NLP, 0, Step.CLASSIFICATION),
    "last-stage-at-work": Point((ASR, NLP, INSIGHTS), INSIGHTS, 0, Step.INSIGHTS),
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
async def test_c05_cancel_in_each_state(
    client: httpx.AsyncClient, redis: Redis, settings: BaseSettings, tmp_path: Path, point: Point
) -> None:
    """202; `cancelled` is the last event, at once; no job and no recording stays; nobody takes it up again."""
    at_work, stage, number, last_step = point
    halt = Halt(stage, number)
    async with AsyncExitStack() as workers:
        for name in at_work:
            await workers.enter_async_context(working(STAGES[name], FakeEngine(halt.at(name)), settings))
        task_id = await submit(client)

        async def stands_there() -> bool:
            task = await tasks.read(redis, task_id)
            assert task is not None
            return (halt.reached.is_set() or stage is None) and task.step is (last_step or Step.QUEUED)

        await wait_until(stands_there, description="the task has come as far as it should")
        answers = [await client.delete(f"/audio/tasks/{task_id}") for _ in range(2)]
        assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(202, "cancelled")] * 2
        before = await log_of(redis, task_id)
        assert before[-1].step is Step.CANCELLED
        assert (before[-1].error, before[-1].progress) == (None, before[-2].progress if last_step else 0)
        assert await jobs_left(redis) == []
        assert not list((tmp_path / "blobs").iterdir())
        halt.over.set()
    async with AsyncExitStack() as workers:
        for name in (ASR, NLP, INSIGHTS):
            await workers.enter_async_context(working(STAGES[name], FakeEngine(), settings))
        other = await submit(client)
        await until_ended(redis, other)
    assert await log_of(redis, task_id) == before
    begun = {field for field in await redis.hgetall(keys.task(task_id)) if field.startswith(b"claimed:")}
    assert begun <= {b"claimed:" + name.encode() for name in at_work}
    assert await jobs_left(redis) == []


async def test_c05_cancelled_stream_ends(client: httpx.AsyncClient) -> None:
    """Whoever watches learns of it at once, and the state of the task says so without an error."""
    task_id = await submit(client)
    await client.delete(f"/audio/tasks/{task_id}")
    events = await watched(client, f"/audio/tasks/{task_id}/events")
    assert [b'"step":"cancelled"' in data for _, data in events] == [True]
    state = (await client.get(f"/audio/tasks/{task_id}")).json()
    assert (state["state"], state["step"], state["error"]) == ("cancelled", "cancelled", None)


async def test_c05_what_cannot_be_cancelled(client: httpx.AsyncClient, redis: Redis, settings: BaseSettings) -> None:
    """A task that has ended is a conflict and stays as it is; one that never was is not found."""
    task_id = await submit(client)
    async with (
        working(STAGES[ASR], FakeEngine(), settings),
        working(STAGES[NLP], FakeEngine(), settings),
        working(STAGES[INSIGHTS], FakeEngine(), settings),
    ):
        await until_ended(redis, task_id)
    answer = await client.delete(f"/audio/tasks/{task_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "task_finished")
    task = await tasks.read(redis, task_id)
    assert task is not None
    assert task.state is State.COMPLETED
    answer = await client.delete("/audio/tasks/0123")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_task")


async def test_c05_attempt_that_writes_nothing_stops_too(
    client: httpx.AsyncClient, redis: Redis, settings: BaseSettings
) -> None:
    """A worker busy with one task of which nothing is written for long is free for the next one within a lease."""
    halt = Halt(ASR, 1)
    async with (
        working(STAGES[ASR], FakeEngine(halt.at(ASR)), settings, lease_seconds=0.4, worker_concurrency=1),
        working(STAGES[NLP], FakeEngine(), settings),
        working(STAGES[INSIGHTS], FakeEngine(), settings),
    ):
        task_id = await submit(client)
        await wait_until(halt.reached.is_set, description="the engine is at work")
        await client.delete(f"/audio/tasks/{task_id}")
        halt.number = -1
        other = await submit(client)

        async def begun() -> bool:
            return await redis.hget(keys.task(other), "claimed:asr") is not None

        await wait_until(begun, description="the worker takes the next task")
        halt.over.set()
        assert (await until_ended(redis, other))[-1].step is Step.COMPLETED


async def test_lost_and_failed_tasks_leave_no_job(
    redis: Redis, client: httpx.AsyncClient, settings: BaseSettings
) -> None:
    """However a task ends, no stage behind is asked to work on it."""

    def refuse(number: int) -> None:
        if number == 2:
            raise MemoryError

    task_id = await submit(client)
    async with working(STAGES[ASR], FakeEngine(refuse), settings, max_attempts=1):
        assert (await until_ended(redis, task_id))[-1].step is Step.FAILED
    assert await jobs_left(redis) == []
