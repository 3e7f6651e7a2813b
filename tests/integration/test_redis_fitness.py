"""What is wrong with a Redis is said, and stops nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from deploy.local.doctor import doctor
from services.gateway.settings import Settings
from shared import fitness
from shared.fitness import Fitness, examine, faults
from shared.redis import Redis, connected
from shared.runner.health import Health
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.gateway import served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that evicts, forgets, and knows no CONFIG."""
    options = ("--maxmemory-policy", "allkeys-lru", "--rename-command", "CONFIG", "")
    server = RedisServer(tmp_path, port=free_port(), options=options)
    server.start()
    yield server
    server.stop()


async def test_r16_eviction_and_persistence_are_told_without_config(
    server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readiness stays 200 and names both with what to do, as the metrics, the log and the doctor do; CONFIG is not
    needed for it."""
    settings = Settings(redis_url=server.url, blob_url=f"file://{tmp_path}/blobs", spool_dir=tmp_path / "spool")
    async with served(settings) as gateway:
        told: list[str] = []

        async def warned() -> bool:
            answer = await gateway.get("/health/ready")
            told[:] = [answer.text]
            return answer.status_code == 200 and "warning" in answer.text

        await wait_until(warned, description="readiness tells what is wrong")
        eviction = "warning: redis: maxmemory-policy is allkeys-lru, which drops tasks when memory runs out"
        assert f"{eviction}: set maxmemory-policy noeviction\n" in told[0]
        assert "appendonly is off" in told[0]
        metrics = (await gateway.get("/metrics")).text
        assert 'voxmesh_redis_faults{fault="eviction"} 1.0' in metrics
        assert 'voxmesh_redis_faults{fault="version"} 0.0' in metrics
    assert await doctor({"REDIS_URL": server.url, "VOXMESH_HOME": str(tmp_path)}) == 1
    assert "-> set maxmemory-policy noeviction" in capsys.readouterr().out


async def test_r16_worker_tells_it_and_sees_it_mended(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting may change while everything runs: what is mended is no longer told."""
    monkeypatch.setattr(fitness, "ROUND_SECONDS", 0.02)
    watched = Fitness(redis)
    health = Health(redis, watched)
    health.ready = True
    config = cast("Any", redis).config_set
    watching = asyncio.create_task(watched.watch(), name="fitness")
    await config("maxmemory-policy", "volatile-ttl")

    async def told() -> bool:
        return b"maxmemory-policy is volatile-ttl" in (await health.answer("/health/ready"))[2]

    async def mended() -> bool:
        return not await told()

    await wait_until(told, description="the policy is told")
    await config("maxmemory-policy", "noeviction")
    await wait_until(mended, description="the policy is told no more")
    watching.cancel()


async def test_r16_user_who_may_not_look_is_told_so(redis: Redis, settings: BaseSettings) -> None:
    """The mesh works for a user without INFO; what cannot be known is not taken to be well."""
    await cast("Any", redis).execute_command("ACL", "SETUSER", "blind", "on", ">x", "~*", "&*", "+@all", "-info")
    url = settings.redis_url.replace("redis://", "redis://blind:x@")
    async with connected(BaseSettings(redis_url=url), name="test") as blind:
        assert [fault.name for fault in await examine(blind)] == ["unknown"]
        assert await blind.ping()
    await cast("Any", redis).execute_command("ACL", "DELUSER", "blind")


def test_r16_what_is_fit() -> None:
    """A server as it should be has no fault, nor has a service that leaves out what it does not tell."""
    fit = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1, "cluster_enabled": 0}
    assert faults(fit) == []
    assert faults({}) == []
    assert [fault.name for fault in faults({**fit, "redis_version": "6.0.16", "aof_enabled": 0})] == [
        "version",
        "persistence",
    ]
