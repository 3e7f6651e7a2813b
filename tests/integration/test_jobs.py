"""A job stays until there is nothing left to do, whatever befalls the attempts at it and the Redis that holds it."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis as Client

from shared import keys
from shared.messages import StageName, Step
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import records_of, submit, until_ended, worker_process, working


async def test_a_superseded_attempt_leaves_the_job_to_its_successor(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """When the successor is killed after the first attempt has given way, somebody still goes on."""
    asleep, wake = threading.Event(), threading.Event()
    diary = tmp_path / "diary"

    def sleep_once(number: int) -> None:
        if number == 2 and not asleep.is_set():
            asleep.set()
            wake.wait(10)

    environ = {"LEASE_SECONDS": "1", "FAKE_STALL_AT": "2", "FAKE_DIARY": str(diary)}
    async with (
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(sleep_once), settings),
    ):
        await submit(redis, "t")
        await wait_until(asleep.is_set, description="the first attempt sleeps")
        with worker_process(StageName.ASR, settings, environ) as successor:

            async def taken_over() -> bool:
                await redis.delete(keys.lease("t", StageName.ASR))
                return diary.exists()

            await wait_until(taken_over, description="the successor is at work")
            wake.set()
            successor.send_signal(signal.SIGKILL)
        assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED


@pytest.mark.parametrize("error", [OSError("the device is busy"), TimeoutError("the models' disk is slow")])
async def test_an_attempt_that_fails_is_followed_by_another(
    redis: Redis, settings: BaseSettings, error: Exception
) -> None:
    """An error that may not come again costs a pause; no event is repeated, and the queue is empty at the end."""
    failed = threading.Event()

    def fail_once(number: int) -> None:
        if number == 2 and not failed.is_set():
            failed.set()
            raise error

    async with (
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(fail_once), settings),
    ):
        await submit(redis, "t")
        steps = [event.step for event in await until_ended(redis, "t")]
        assert (steps.count(Step.STARTED), steps.count(Step.TRANSCRIPTION), steps[-1]) == (1, 3, Step.COMPLETED)
        assert await redis.hget(keys.task("t"), "attempts:asr") == b"2"

        async def nothing_left() -> bool:
            return not [key async for key in redis.scan_iter("arq:*")]

        await wait_until(nothing_left, description="no job is left, nor any trace of one")


async def test_work_that_is_only_slow_is_left_alone(redis: Redis, settings: BaseSettings) -> None:
    """A sentence that takes longer than several leases keeps its worker: another one has nothing to do meanwhile."""

    def think(number: int) -> None:
        if number == 2:
            threading.Event().wait(2)

    async with (
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(think), settings, lease_seconds=0.5),
        working(STAGES[StageName.ASR], FakeEngine(think), settings, lease_seconds=0.5),
    ):
        await submit(redis, "t")
        assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
        assert await redis.hget(keys.task("t"), "attempts:asr") == b"1"


async def test_waiting_for_the_stage_before_does_not_count(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """A stage that may run for one second waits for three until the recogniser goes on, and still has its second."""
    diary = tmp_path / "diary"

    def speak(number: int) -> None:
        if number == 2:
            threading.Event().wait(3)

    environ = {"RUN_LIMIT_SECONDS": "1", "FAKE_DIARY": str(diary)}
    with worker_process(StageName.NLP, settings, environ):
        async with working(STAGES[StageName.ASR], FakeEngine(speak), settings):
            await submit(redis, "t")
            await wait_until(diary.exists, description="nlp has the first sentence while the second is awaited")
            assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED


async def test_r11_unreadable_job_does_not_stop_the_worker(redis: Redis, settings: BaseSettings) -> None:
    """Whatever somebody has put into the queue, the jobs beside it are done."""
    name = keys.queue(StageName.ASR)
    await redis.set(keys.JOB_PREFIX + "alien:asr", b"?", px=60_000)
    await redis.zadd(name, {"alien:asr": 0})
    stages = (STAGES[StageName.ASR], STAGES[StageName.NLP])
    async with working(stages[0], FakeEngine(), settings), working(stages[1], FakeEngine(), settings):
        await submit(redis, "t")
        assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
    await redis.delete(name)


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["out of memory", "no replica", "read-only"],
)
async def test_r17_redis_that_refuses_to_write_is_waited_for(
    durable_server: RedisServer, tmp_path: Path, bad: Sequence[str], good: Sequence[str]
) -> None:
    """The task at work and the one that waits both end well once it takes writes again; no worker ends."""
    speaking, refusing = threading.Event(), threading.Event()

    def speak(number: int) -> None:
        if number == 2:
            speaking.set()
            assert refusing.wait(10)

    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    async with (
        connected(settings, name="test") as redis,
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(speak), settings),
    ):
        command = cast("Client", redis).execute_command  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        await submit(redis, "t")
        await wait_until(speaking.is_set, description="the recogniser is at work")
        await submit(redis, "next")
        await command(*bad)
        refusing.set()

        async def refused() -> bool:
            info = await redis.info("errorstats")
            return any(name.removeprefix("errorstat_") in ("OOM", "NOREPLICAS", "READONLY") for name in info)

        await wait_until(refused, description="a write is refused")
        await command(*good)
        for task_id in ("t", "next"):
            assert (await until_ended(redis, task_id))[-1].step is Step.COMPLETED


async def test_waiting_for_redis_does_not_count(durable_server: RedisServer, tmp_path: Path) -> None:
    """A task at work when Redis stands still for longer than the task may run goes on when it answers again."""

    def speak(number: int) -> None:
        if number == 2:
            durable_server.pause()
            threading.Timer(2.0, durable_server.go_on).start()

    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    async with (
        connected(settings, name="test") as redis,
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(speak), settings, run_limit_seconds=1.0),
    ):
        await submit(redis, "t")
        assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
        assert await redis.hget(keys.task("t"), "attempts:asr") == b"1"


async def test_a_worker_stops_in_time_though_redis_stands_still(durable_server: RedisServer, tmp_path: Path) -> None:
    """SIGTERM ends it with 0. The job could not be handed back: it goes on elsewhere once the lease has lapsed."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    diary = tmp_path / "diary"
    environ = {"FAKE_DIARY": str(diary), "DRAIN_SECONDS": "0.2", "LEASE_SECONDS": "1"}
    async with connected(settings, name="test") as redis, working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "2"}) as first:
            await submit(redis, "t")
            await wait_until(
                lambda: diary.exists() and diary.read_text().endswith("2\n"), description="the engine stalls at 2"
            )
            durable_server.pause()
            first.terminate()
            await wait_until(lambda: first.poll() is not None, description="the worker stops")
            assert first.returncode == 0
        durable_server.go_on()
        with worker_process(StageName.ASR, settings, environ):
            assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED


async def test_a_worker_whose_engine_is_stuck_makes_room(settings: BaseSettings, redis: Redis) -> None:
    """The task that it is stuck with fails by its limit; the process ends with 4, and what else it had in hand is done
    by the next one."""
    environ = {"RUN_LIMIT_SECONDS": "1", "STUCK_SECONDS": "0.5", "DRAIN_SECONDS": "0.2"}
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "2"}) as stuck:
            await submit(redis, "t")

            async def has_begun() -> bool:
                return await records_of(redis, "t", StageName.ASR) == [1]

            await wait_until(has_begun, description="the engine is about to be stuck")
            await submit(redis, "u")
            end = (await until_ended(redis, "t"))[-1]
            assert end.error is not None
            assert end.error.code == "run_timeout"
            await wait_until(lambda: stuck.poll() is not None, description="the worker ends")
            assert stuck.returncode == 4
        with worker_process(StageName.ASR, settings, environ):
            assert (await until_ended(redis, "u"))[-1].step is Step.COMPLETED
