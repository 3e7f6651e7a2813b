"""What operators are alarmed by: how tasks and leases end, how long jobs wait, who is there to take them."""

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from deploy.local.probe import health
from services.gateway.census import Census
from services.gateway.fleet import Fleet
from services.gateway.settings import Settings
from shared import keys, metrics, presence
from shared.errors import SettingsError
from shared.fitness import Fitness
from shared.messages import StageName
from shared.redis import Redis
from shared.runner.health import serve_health
from shared.scripts import Scripts
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.gateway import serving
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, ROOT, submit, until_ended, working

ASR, NLP = StageName.ASR, StageName.NLP


async def asked(environ: Mapping[str, str], kind: str, url: str = "") -> int:
    """The status of the health check, which blocks as the command does."""
    return await asyncio.to_thread(health, environ, kind=kind, url=url)


def value(name: str, **labels: str) -> float:
    """A metric of this process as it stands; 0 while it has never been touched."""
    return REGISTRY.get_sample_value(f"voxmesh_{name}", labels) or 0.0


async def test_a_completed_task_is_counted(redis: Redis, settings: BaseSettings) -> None:
    """A task that is completed counts once, with the seconds that were heard, and no attempt is left running."""
    ended, heard = value("tasks_ended_total", state="completed"), value("audio_seconds_total")
    async with working(STAGES[ASR], FakeEngine(), settings), working(STAGES[NLP], FakeEngine(), settings):
        await submit(redis, "t")
        await until_ended(redis, "t")
        await wait_until(lambda: value("tasks_ended_total", state="completed") == ended + 1, description="it counts")
    assert value("audio_seconds_total") == heard + 3.0
    assert value("attempts_running", stage="asr") == 0


async def test_a_worker_that_fell_silent_is_counted(redis: Redis, settings: BaseSettings) -> None:
    """Whoever goes on behind a worker that died counts a lost lease, also when it was the last attempt; a claim that is
    repeated after a lost reply, and one behind a task that was handed back, count none."""
    scripts, before = Scripts(redis, LIMITS), value("leases_lost_total", stage="asr")
    for task_id in ("handed-back", "left", "worn-out"):
        await submit(redis, task_id)
    await scripts.claim("handed-back", ASR, claimant="a", max_attempts=3)
    claim = await scripts.claim("handed-back", ASR, claimant="a", max_attempts=3)
    await scripts.release("handed-back", ASR, token=claim.token)
    await scripts.claim("left", ASR, claimant="a worker that died", max_attempts=3)
    for number in range(2):
        await scripts.claim("worn-out", ASR, claimant=f"a worker that died {number}", max_attempts=2)
    async with (
        working(STAGES[ASR], FakeEngine(), settings, max_attempts=2),
        working(STAGES[NLP], FakeEngine(), settings),
    ):
        for task_id in ("handed-back", "left", "worn-out"):
            await until_ended(redis, task_id)
    assert value("leases_lost_total", stage="asr") == before + 2


async def test_the_census_tells_waiting_from_working(redis: Redis) -> None:
    """The oldest job is the one that nobody holds, however many in hand stand before it; one that is deferred does not
    wait. Leases, workers and what they take are counted by stage."""
    seconds, _ = await redis.time()
    held = {f"held-{number}:asr": (seconds - 500) * 1000 for number in range(130)}
    waiting = {"waiting:asr": (seconds - 60) * 1000, "younger:asr": (seconds - 5) * 1000}
    await redis.zadd(keys.queue(ASR), {**held, **waiting, "deferred:asr": (seconds + 900) * 1000})
    await redis.zadd(keys.queue(NLP), {"held-0:nlp": (seconds - 500) * 1000})
    for job_id in (*held, "held-0:nlp"):
        await redis.set(keys.LEASE_PREFIX + job_id, b"1", px=60_000)
    for worker in ("one", "two"):
        await presence.announce(redis, ASR, worker, {"engine": "fake", "concurrency": 4})
    await Census(redis, Fleet(redis)).count()
    assert value("queue_jobs", stage="asr") == 133
    assert value("queue_oldest_seconds", stage="asr") == pytest.approx(60, abs=3)
    assert (value("workers", stage="asr"), value("capacity_jobs", stage="asr")) == (2, 8)
    assert (value("queue_jobs", stage="nlp"), value("queue_oldest_seconds", stage="nlp")) == (1, 0)
    assert (value("leases", stage="asr"), value("leases", stage="nlp")) == (130, 1)
    assert value("workers", stage="nlp") == 0


async def test_a_gateway_counts_by_itself(gateway_settings: Settings, redis: Redis) -> None:
    """A gateway that runs has counted within a round, and says nothing about queues while it cannot know."""
    Census(redis, Fleet(redis))
    assert math.isnan(value("queue_jobs", stage="insights"))
    async with serving(gateway_settings):
        await wait_until(lambda: value("queue_jobs", stage="insights") == 0, description="the census is taken")


async def test_the_memory_of_redis_is_told(redis: Redis) -> None:
    """What Redis uses and what it may use are told with the rest of what is known about it."""
    fitness = Fitness(redis)
    server = cast("Any", redis)
    await server.config_set("maxmemory", "64mb")
    try:
        await fitness.look()
    finally:
        await server.config_set("maxmemory", "0")
    assert 0 < value("redis_memory_bytes") < value("redis_memory_limit_bytes") == 64 << 20


def test_a_worker_shows_its_counters_from_the_start() -> None:
    """Each counter of a stage is there, at 0, before its first event: else its first failure would raise no alarm."""
    metrics.show_stage(StageName.INSIGHTS)
    for name in ("attempts_superseded_total", "leases_lost_total", "records_total", "attempt_seconds_count"):
        assert REGISTRY.get_sample_value(f"voxmesh_{name}", {"stage": "insights"}) is not None, name
    for outcome in metrics.OUTCOMES:
        labels = {"stage": "insights", "outcome": outcome}
        assert REGISTRY.get_sample_value("voxmesh_attempts_total", labels) is not None, outcome
    for state in ("completed", "failed", "cancelled", "expired"):
        assert REGISTRY.get_sample_value("voxmesh_tasks_ended_total", {"state": state}) is not None, state


def test_every_metric_is_explained() -> None:
    """docs/operations.md has a line for each metric of ours, and for no other."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    told = {
        name for row in re.findall(r"^\| (`voxmesh_.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    ours = {family.name + ("_total" if family.type == "counter" else "") for family in REGISTRY.collect()}
    assert told == {name for name in ours if name.startswith("voxmesh_")}


async def test_the_health_check_asks_the_service(redis: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    """`voxmesh health` is 0 while the service lives, 1 while it is not ready or not there, and prints what it said."""
    port = free_port()
    environ = {"HEALTH_PORT": str(port), "PORT": "1"}
    async with serve_health(port, redis, Fitness(redis)) as state:
        assert await asked(environ, "live") == 0
        assert await asked(environ, "ready") == 1
        state.ready = True
        assert await asked({"PORT": str(port)}, "ready") == 0
        assert await asked({}, "live", f"http://127.0.0.1:{port}") == 0
    assert await asked(environ, "live") == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["live", "the models are being loaded"]
    assert said[-1].startswith(f"no answer from 127.0.0.1 on port {port}")
    for url in ("127.0.0.1:8000", "https://host", "http://host:port"):
        with pytest.raises(SettingsError, match=r"^--url: "):
            health({}, kind="live", url=url)
