"""Direct calls while workers die and Redis goes away, and a crowd of them."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from shared import keys
from shared import mesh as module
from shared.errors import DeadlineExceeded, TaskFailed
from shared.mesh import Mesh
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.calls import LATER, MANY, TEXTS, numbers, once, until_nothing_is_left
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import worker_process, working


@pytest.fixture
async def mesh(settings: BaseSettings) -> AsyncIterator[Mesh]:
    async with Mesh(settings) as opened:
        yield opened


async def test_a_killed_worker_is_followed_by_another(
    mesh: Mesh, redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """The next attempt goes on behind what is written: the caller has each sentence once."""
    diary = tmp_path / "diary"
    environ = {"LEASE_SECONDS": "1", "FAKE_DIARY": str(diary)}
    with worker_process(StageName.TRANSLATE, settings, {**environ, "FAKE_STALL_AT": str(LATER)}) as first:
        call = asyncio.create_task(mesh.call("translate", TEXTS))
        await wait_until(
            lambda: diary.exists() and f"{LATER}\n" in diary.read_text(), description="the first worker stalls"
        )
        first.kill()
        with worker_process(StageName.TRANSLATE, settings, environ):
            segments, _ = await call
            await until_nothing_is_left(redis)
    assert numbers(segments) == list(range(1, MANY + 1))
    assert diary.read_text().splitlines().count("1") == 1


async def test_redis_restarts_in_the_middle(durable_server: RedisServer, tmp_path: Path) -> None:
    """The call waits for it as the worker does, and goes on where it was."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    asleep, wake = threading.Event(), threading.Event()

    def sleep() -> None:
        asleep.set()
        wake.wait(20)

    engine = FakeEngine(once(LATER, sleep))
    async with working(STAGES[StageName.TRANSLATE], engine, settings), Mesh(settings) as mesh:
        call = asyncio.create_task(mesh.call("translate", TEXTS, deadline=40))
        await wait_until(asleep.is_set, description="the stage is at work")
        durable_server.stop()
        await asyncio.wait([call], timeout=0.5)
        durable_server.start()
        wake.set()
        segments, _ = await call
    assert numbers(segments) == list(range(1, MANY + 1))


async def test_an_absent_redis_does_not_outlast_the_deadline(durable_server: RedisServer, tmp_path: Path) -> None:
    """Neither the call nor its clean-up waits for ever, and the `Mesh` can be closed."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    async with Mesh(settings) as mesh:
        durable_server.pause()
        before = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await mesh.call("translate", TEXTS, deadline=0.5)
    assert time.monotonic() - before < 30


async def test_a_call_joins_no_queue_that_is_full(redis: Redis, settings: BaseSettings) -> None:
    """It fails at once, and may go better later; those before it wait on, and nothing is left of it."""
    async with Mesh(settings, max_queue=2) as mesh:
        waiting = [asyncio.create_task(mesh.call("translate", TEXTS)) for _ in range(2)]

        async def both_wait() -> bool:
            return await redis.zcard(keys.queue(StageName.TRANSLATE)) == 2

        await wait_until(both_wait, description="two calls wait")
        with pytest.raises(TaskFailed) as refused:
            await mesh.call("translate", TEXTS)
        assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
        async with working(STAGES[StageName.TRANSLATE], FakeEngine(), settings):
            assert [numbers((await call).segments) for call in waiting] == [list(range(1, MANY + 1))] * 2
            await until_nothing_is_left(redis)


async def test_a_hundred_calls_share_few_connections(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """Each gets its own answer; there are never more connections than commands that may run, and one that listens."""
    client = cast("Any", redis)
    async with working(STAGES[StageName.TRANSLATE], FakeEngine(), settings):
        calls = [asyncio.create_task(mesh.call("translate", [f"Sentence {number}."])) for number in range(100)]
        most = 0

        async def done() -> bool:
            nonlocal most
            most = max(most, sum(each["name"] == "mesh" for each in await client.client_list()))
            return all(call.done() for call in calls)

        await wait_until(done, description="all calls are answered")
        answers = [(await call).segments[0].translation for call in calls]
        await until_nothing_is_left(redis)
    assert answers == [f"Frase {number}." for number in range(100)]
    assert most <= module.CONNECTIONS + 1
