"""A Redis that takes what it is sent and does not answer: workers notice, say so, and go on."""

import asyncio
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from shared import keys, wake
from shared import redis as redis_module
from shared.messages import StageName, Step
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from shared.wake import Wakeups
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.relay import relayed
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import records_of, submit, until_ended, worker_process, working

ASR, NLP = StageName.ASR, StageName.NLP


async def test_a_worker_tells_of_a_redis_that_hangs_and_goes_on(durable_server: RedisServer, tmp_path: Path) -> None:
    """While it stands still the worker is live and not ready, counts what has met no answer and logs it; afterwards the
    attempt at work ends as if nothing had been."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    diary, port = tmp_path / "diary", free_port()
    environ = {"FAKE_DIARY": str(diary), "FAKE_SECONDS": "0.2", "LEASE_SECONDS": "60", "HEALTH_PORT": str(port)}
    async with (
        connected(settings, name="test") as redis,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as probe,
    ):
        with worker_process(ASR, settings, environ):
            await submit(redis, "t")
            await wait_until(diary.exists, description="the worker is at work", seconds=60)
            durable_server.pause()
            ready = await probe.get("/health/ready")
            assert (ready.status_code, ready.text) == (503, "redis does not answer\n")
            assert (await probe.get("/health/live")).status_code == 200

            async def is_counted() -> bool:
                return "voxmesh_redis_disruptions_total 0.0" not in (await probe.get("/metrics")).text

            await wait_until(is_counted, description="what has met no answer is counted", seconds=15)
            durable_server.go_on()

            async def is_ready() -> bool:
                return (await probe.get("/health/ready")).status_code == 200

            await wait_until(is_ready, description="the worker is ready again", seconds=30)
            async with working(STAGES[NLP], FakeEngine(), settings):
                assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
        assert diary.read_text() == "1\n2\n3\n"
        assert await redis.hget(keys.task("t"), "attempts:asr") == b"1"


async def test_a_worker_leaves_connections_that_went_deaf(
    redis: Redis, settings: BaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a master that hangs while another has taken over: the same attempt goes on over new connections, each
    record is written once, and what comes in later is taken."""
    monkeypatch.setattr(redis_module, "ANSWER_SECONDS", 1.0)
    speaking, deaf = threading.Event(), threading.Event()

    def speak(number: int) -> None:
        if number == 2:
            speaking.set()
            assert deaf.wait(30)

    async with relayed(urlsplit(settings.redis_url).port or 0) as relay:
        through = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{relay.port}/0")
        async with working(STAGES[ASR], FakeEngine(speak), through), working(STAGES[NLP], FakeEngine(), through):
            await submit(redis, "t")
            await wait_until(speaking.is_set, description="the recogniser is at work")
            relay.swallow()
            deaf.set()
            for task_id in ("t", "next"):
                if task_id == "next":
                    await submit(redis, task_id)
                told = await until_ended(redis, task_id)
                assert [event.step for event in told if event.step.terminal] == [Step.COMPLETED]
                assert await records_of(redis, task_id, ASR) == [1, 2, 3, 4]
                assert await redis.hget(keys.task(task_id), "attempts:asr") == b"1"


async def test_a_process_that_stood_still_takes_what_has_come(
    durable_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence was its own: an answer that was there in time is not given up."""
    async with connected(BaseSettings(redis_url=durable_server.url), name="test") as redis:
        await redis.ping()
        monkeypatch.setattr(redis_module, "ANSWER_SECONDS", 1.0)
        durable_server.pause()
        asks = asyncio.create_task(redis.time(), name="asks")
        await asyncio.wait([asks], timeout=0.1)  # it is on its way
        durable_server.go_on()
        time.sleep(1.5)  # noqa: ASYNC251 - the loop is to stand still
        assert (await asks)[0] > 0


async def test_a_subscription_that_went_deaf_is_made_anew(
    redis: Redis, settings: BaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wake-up arrives again without anything having been closed; one that is only silent is left alone."""
    monkeypatch.setattr(wake, "SILENCE_SECONDS", 0.3)
    async with relayed(urlsplit(settings.redis_url).port or 0) as relay:
        through = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{relay.port}/0")
        async with connected(through, name="test") as client:
            wakeups = Wakeups(client, "vm:wake:test")
            listening = asyncio.create_task(wakeups.listen(), name="listen")

            async def wakes() -> bool:
                wakeups.jobs.clear()
                await redis.publish("vm:wake:test", b"job:t")
                waiting = asyncio.create_task(wakeups.jobs.wait(), name="woken")
                await asyncio.wait([waiting], timeout=2.0)
                return waiting.done() or not waiting.cancel()

            await wait_until(wakes, description="the subscription stands")
            one = relay.connections
            await asyncio.wait([listening], timeout=1.0)  # several times as long as a silence may last
            assert relay.connections == one
            relay.swallow()
            await wait_until(lambda: relay.connections > one, description="it is made anew")
            await wait_until(wakes, description="wake-ups arrive again")
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
