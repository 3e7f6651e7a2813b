"""Every second something dies, while a fleet works through its tasks."""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from redis import Redis as BlockingRedis

from shared import events, keys
from shared.messages import StageName, Step
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import submit, until_ended, worker_process, working

SEED = 11
TASKS = 60
SEGMENTS = 5
ROUTES = [(translation, insights) for translation in (False, True) for insights in (False, True)]
ENVIRON = {
    "FAKE_SEGMENTS": str(SEGMENTS),
    "FAKE_SECONDS": "0.08",
    "LEASE_SECONDS": "1",
    "DRAIN_SECONDS": "0.3",
    "MAX_ATTEMPTS": "99",  # the deaths are not the tasks' fault
    "LOG_LEVEL": "error",
}

Trace = tuple[list[Step], dict[StageName, list[bytes]]]
"""What a task leaves: the steps of its events, and the records of each stage."""


class Fleet:
    """Two worker processes of each stage. Whoever dies is replaced."""

    def __init__(self, settings: BaseSettings, server: RedisServer, fate: random.Random) -> None:
        self._settings = settings
        self._server = server
        self._fate = fate
        self._processes = AsyncExitStack()
        self._able: list[tuple[StageName, subprocess.Popen[bytes]]] = []
        self.told_to_stop: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Self:
        for stage in [*StageName, *StageName]:
            self._hire(stage)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._processes.aclose()

    def _hire(self, stage: StageName) -> None:
        process = self._processes.enter_context(worker_process(stage, self._settings, ENVIRON))
        self._able.append((stage, process))

    async def suffer(self, rounds: int) -> None:
        """Each second one of four misfortunes, each as often as the others."""
        misfortunes = [self._kill, self._tell_to_stop, self._stall, self._restart_redis] * (rounds // 4)
        self._fate.shuffle(misfortunes)
        async with asyncio.TaskGroup() as group:
            for misfortune in misfortunes:
                await asyncio.sleep(1)
                group.create_task(misfortune())

    def _pick(self) -> tuple[StageName, subprocess.Popen[bytes]]:
        oldest = len(self._able) // 2  # the others may still be starting, and have nothing in hand
        return self._able.pop(self._fate.randrange(oldest))

    async def _kill(self) -> None:
        stage, process = self._pick()
        process.kill()
        self._hire(stage)

    async def _tell_to_stop(self) -> None:
        stage, process = self._pick()
        process.terminate()
        self.told_to_stop.append(process)
        self._hire(stage)

    async def _stall(self) -> None:
        stage, process = self._pick()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.8)
        process.send_signal(signal.SIGCONT)
        self._able.append((stage, process))

    async def _restart_redis(self) -> None:
        self._server.stop()
        self._server.start()


async def _trace(redis: Redis, task_id: str) -> Trace:
    log = await until_ended(redis, task_id)
    assert [event.progress for event in log] == sorted(event.progress for event in log)
    assert [number async for number, _ in events.history(redis, task_id)] == list(range(1, len(log) + 1))
    records = {stage: await redis.xrange(keys.out(task_id, stage)) for stage in StageName}
    return [event.step for event in log], {
        stage: [fields[b"record"] for _, fields in entries] for stage, entries in records.items()
    }


@pytest.fixture
async def redis(durable_server: RedisServer, tmp_path: Path) -> AsyncIterator[Redis]:
    """In place of the shared server, one that can be restarted."""
    async with connected(_settings(durable_server, tmp_path), name="test") as client:
        yield client


def _settings(server: RedisServer, folder: Path) -> BaseSettings:
    return BaseSettings(redis_url=server.url, blob_url=f"file://{folder}/blobs")


async def _undisturbed(redis: Redis, settings: BaseSettings) -> list[Trace]:
    """One task of each route, in peace."""
    async with AsyncExitStack() as workers:
        for stage in STAGES.values():
            await workers.enter_async_context(working(stage, FakeEngine(segments=SEGMENTS), settings))
        for number, (translation, insights) in enumerate(ROUTES):
            await submit(redis, f"peace-{number}", translation=translation, insights=insights)
        return [await _trace(redis, f"peace-{number}") for number in range(len(ROUTES))]


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_no_death_is_seen_in_what_the_tasks_leave(
    redis: Redis, durable_server: RedisServer, tmp_path: Path
) -> None:
    """Workers are killed, told to stop and stalled beyond their leases, and Redis is restarted: each task leaves the
    same records and the same steps as in peace, each once and in order, and nothing that would never expire."""
    settings = _settings(durable_server, tmp_path)
    expected = await _undisturbed(redis, settings)
    async with Fleet(settings, durable_server, random.Random(SEED)) as fleet:

        async def complete() -> bool:
            return await redis.zcard(keys.WORKERS) == 2 * len(StageName)

        await wait_until(complete, description="two workers of each stage are there")
        for number in range(TASKS):
            translation, insights = ROUTES[number % len(ROUTES)]
            await submit(redis, f"t{number}", translation=translation, insights=insights)
        await fleet.suffer(rounds=20)
        for number in range(TASKS):
            assert await _trace(redis, f"t{number}") == expected[number % len(ROUTES)]

        async def idle() -> bool:
            queued = [await redis.zcard(keys.queue(stage)) for stage in StageName]
            return not sum(queued) and not await redis.zcard(keys.WATCH)

        await wait_until(idle, description="no job is left, and nobody watches a task")
        stopped = fleet.told_to_stop
        await wait_until(lambda: None not in [process.poll() for process in stopped], description="workers stop")
        assert {process.returncode for process in stopped} == {os.EX_OK}
    _nothing_is_left_for_ever(durable_server)


def _nothing_is_left_for_ever(server: RedisServer) -> None:
    blocking: Any = BlockingRedis(port=server.port)
    with blocking:
        names = [key.decode() for key in blocking.scan_iter()]
        lasting = [name for name in names if blocking.ttl(name) == -1 and not name.startswith(keys.PERMANENT)]
    assert lasting == []
