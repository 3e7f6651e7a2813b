"""What queues on Redis are known to do wrong: jobs that stay with the dead, memory and connections that only grow,
subscribers that are cut off, a server that is full."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from services.gateway.events import hub as hub_module
from services.gateway.events.hub import Hub
from services.gateway.settings import Settings
from shared import keys
from shared.messages import StageName, Step
from shared.redis import Redis, connected
from shared.scripts import Limits
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import frames, served, until_ready, watched
from tests.fakes.relay import relayed
from tests.fakes.stages import STAGES, FakeEngine
from tests.fakes.task import LiveTask
from tests.mesh import records_of, submit, until_ended, worker_process, working


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server whose settings a test may change."""
    server = RedisServer(tmp_path, port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(own_server: RedisServer, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=own_server.url, blob_url=f"file://{tmp_path}/blobs", spool_dir=tmp_path / "spool", ping_seconds=0.2
    )


async def test_r06_r12_jobs_of_a_dead_worker_are_taken_over_in_time(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """With the lease as it is by default and jobs that may take hours, all that a killed worker had in hand is
    completed elsewhere within 15 seconds."""
    diary = tmp_path / "diary"
    environ = {"RUN_LIMIT_SECONDS": "14400", "FAKE_DIARY": str(diary)}
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "2"}) as first:
            for task_id in ("a", "b", "c"):
                await submit(redis, task_id)

            async def in_hand() -> bool:
                leases = [await redis.exists(keys.lease(task_id, StageName.ASR)) for task_id in ("a", "b", "c")]
                return all(leases) and diary.exists() and "2\n" in diary.read_text()

            await wait_until(in_hand, description="the worker has all three in hand")
            first.kill()
            killed = time.monotonic()
        async with working(STAGES[StageName.ASR], FakeEngine(), settings):
            for task_id in ("a", "b", "c"):
                assert (await until_ended(redis, task_id))[-1].step is Step.COMPLETED
                assert await records_of(redis, task_id, StageName.ASR) == [1, 2, 3, 4]
    assert time.monotonic() - killed < 15


async def test_r07_worker_that_is_told_to_stop_finishes_what_it_can(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """Within the drain time the task is completed by the attempt that is at work, and the process ends with 0."""
    diary = tmp_path / "diary"
    environ = {"FAKE_DIARY": str(diary), "FAKE_SECONDS": "0.3", "DRAIN_SECONDS": "15"}
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, environ) as worker:
            await submit(redis, "t")
            await wait_until(diary.exists, description="the worker is at work")
            worker.terminate()
            assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
            await wait_until(lambda: worker.poll() is not None, description="the worker stops")
            assert worker.returncode == 0
    assert await redis.hget(keys.task("t"), "attempts:asr") == b"1"


async def test_r10_memory_comes_back_when_tasks_expire(own: Settings) -> None:
    """Logs and records are not trimmed: they expire with their task, and leave nothing."""
    brief = {"task_ttl_seconds": 4, "wait_limit_seconds": 3}
    limits = Limits(ttl_ms=4_000, wait_ms=3_000, tombstone_ms=1_000)
    async with (
        connected(own, name="test") as redis,
        working(STAGES[StageName.ASR], FakeEngine(), own, **brief),
        working(STAGES[StageName.NLP], FakeEngine(), own, **brief),
    ):

        async def memory_after(tasks: Sequence[str]) -> tuple[int, int]:
            for task_id in tasks:
                await submit(redis, task_id, limits=limits)
            await until_ended(redis, tasks[-1])
            full = (await redis.info("memory"))["used_memory"]
            await wait_until(gone, description="all tasks have expired")
            return full, (await redis.info("memory"))["used_memory"]

        async def gone() -> bool:
            return not [key async for key in redis.scan_iter("vm:{*")]

        _, before = await memory_after(["warm"])
        full, after = await memory_after([f"t{number}" for number in range(100)])
    assert after - before < (full - before) / 5


async def test_r13_subscriber_that_redis_cuts_off_gets_the_end(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that does not read for a while loses its subscription to the output buffer limit; its clients still
    get each event once and in order."""
    monkeypatch.setattr(hub_module, "PING_SECONDS", 1.0)
    async with connected(own, name="test") as redis, Hub(redis).running() as hub:
        await cast("Any", redis).config_set("client-output-buffer-limit", "pubsub 64kb 32kb 1")
        task = await LiveTask(redis).create()
        cursor = hub.open(task.task_id, after=0)
        await task.say()
        assert await cursor.take(10)
        listening = (await cast("Any", redis).client_list("pubsub"))[0]["id"]
        flood = cast("Any", redis)

        async def cut_off() -> bool:
            async with flood.pipeline(transaction=False) as pipeline:  # one batch, so that the hub reads none of it
                for _ in range(20):
                    pipeline.publish(keys.channel(task.task_id), b"x" * 1_000_000)
                await pipeline.execute()
            return all(each["id"] != listening for each in await flood.client_list("pubsub"))

        await wait_until(cut_off, description="Redis has cut the subscriber off")
        for _ in range(20):
            await task.say()
        await task.complete()
        numbers: list[int] = []
        async with asyncio.timeout(20):
            while len(numbers) < 21:
                numbers += [frame.number for frame in await cursor.take(20)]
        assert numbers == list(range(2, 23))


async def test_r14_events_resume_when_connections_went_deaf(gateway_settings: Settings, task: LiveTask) -> None:
    """All connections of a gateway lead into a black hole: what happens meanwhile is there within 30 seconds."""
    async with relayed(urlsplit(gateway_settings.redis_url).port or 0) as relay:
        through = msgspec.structs.replace(gateway_settings, redis_url=f"redis://127.0.0.1:{relay.port}/0")
        async with served(through) as client:
            await until_ready(client)
            await task.say()
            async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                events = frames(response)
                assert (await anext(events))[0] == "1-0"
                relay.swallow()
                await task.complete()
                async with asyncio.timeout(30):
                    assert [name async for name, _ in events] == ["2-0"]


async def test_r15_streams_one_after_the_other_leave_no_connection(
    client: httpx.AsyncClient, redis: Redis, task: LiveTask
) -> None:
    """After three hundred complete streams Redis has the clients that it had after the first ten."""
    await task.say()
    await task.complete()
    counts: list[int] = []
    for number in range(300):
        assert len(await watched(client, f"/audio/tasks/{task.task_id}/events")) == 2
        if number in (9, 299):
            counts.append((await redis.info("clients"))["connected_clients"])
    assert counts[0] == counts[1]


async def test_r17_full_redis_refuses_submissions_and_keeps_results(own: Settings) -> None:
    """503 with Retry-After, no recording left behind, the result that was there can still be fetched, and submissions
    are taken once there is room. A task that waits takes less than 10 kB."""
    recording = {"audio": ("a.wav", wav(20.0))}
    async with connected(own, name="test") as redis, served(own) as client:
        await until_ready(client)
        async with (
            working(STAGES[StageName.ASR], FakeEngine(), own),
            working(STAGES[StageName.NLP], FakeEngine(), own),
        ):
            done = (await client.post("/audio/tasks", files=recording)).json()["task_id"]
            await until_ended(redis, done)
        config, usage = cast("Any", redis).config_set, cast("Any", redis).memory_usage
        await config("maxmemory", 1)
        refused = await client.post("/audio/tasks", files=recording)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "5"
        assert (await client.get(f"/audio/tasks/{done}/result")).status_code == 200
        await config("maxmemory", 0)
        assert (await client.get(f"/audio/tasks/{done}/result")).json()["task_id"] == done
        waiting = (await client.post("/audio/tasks", files=recording)).json()["task_id"]
        size = sum([await usage(key) async for key in redis.scan_iter(f"*{waiting}*")])
        assert 0 < size < 10_000
