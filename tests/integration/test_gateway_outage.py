"""A gateway through the absence of Redis."""

import asyncio
from pathlib import Path

import pytest

from services.gateway.settings import Settings
from shared.redis import connected
from tests.conftest import RedisServer, wait_until
from tests.fakes.gateway import blocks, frames, served
from tests.fakes.task import LiveTask


@pytest.fixture
def gateway_settings(durable_server: RedisServer, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=durable_server.url,
        blob_url=f"file://{tmp_path}/blobs",
        spool_dir=tmp_path / "spool",
        ping_seconds=0.2,
    )


async def test_r05_open_stream_outlives_a_restart_of_redis(
    gateway_settings: Settings, durable_server: RedisServer
) -> None:
    """It is kept open meanwhile, and then goes on without a gap."""
    async with connected(gateway_settings, name="test") as redis, served(gateway_settings) as client:
        task = await LiveTask(redis).create()
        await task.say()
        async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
            pieces = blocks(response)
            assert await anext(pieces) == b": open"
            assert b"id: 1-0" in await anext(pieces)
            durable_server.stop()
            assert [await anext(pieces) for _ in range(3)] == [b": ping"] * 3
            durable_server.start()
            await task.say(aloud=False)
            await task.complete()
            ids = [piece.split(b"\n")[0] async for piece in pieces if piece != b": ping"]
        assert ids == [b"id: 2-0", b"id: 3-0"]


async def test_requests_meanwhile_are_asked_to_come_back(
    gateway_settings: Settings, durable_server: RedisServer
) -> None:
    """503 with Retry-After, quickly; live, but not ready; and all is well once Redis is there."""
    async with served(gateway_settings) as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await wait_until(ready, description="the gateway is ready")
        durable_server.stop()
        async with asyncio.timeout(30):
            requests = [
                client.get("/audio/tasks/t1"),
                client.get("/audio/tasks/t1/events"),
                client.post("/audio/tasks", files={"audio": b"x"}),
                client.get("/health/ready"),
            ]
            for answer in await asyncio.gather(*requests):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert answer.headers["retry-after"] == "5"
                assert str(durable_server.port) not in answer.text
            assert (await client.get("/health/live")).status_code == 200
        durable_server.start()
        await wait_until(ready, description="the gateway is ready again")
        assert (await client.get("/audio/tasks/t1")).status_code == 404


async def test_a_redis_that_stands_still_holds_up_no_request(
    gateway_settings: Settings, durable_server: RedisServer
) -> None:
    """Its connections stand but nothing is answered: 503 with Retry-After within seconds, and live all the same."""
    async with connected(gateway_settings, name="test") as redis, served(gateway_settings) as client:
        task = await LiveTask(redis).create()
        durable_server.pause()
        async with asyncio.timeout(30):
            requests = [
                client.get(f"/audio/tasks/{task.task_id}"),
                client.get(f"/audio/tasks/{task.task_id}/events"),
                client.post("/audio/tasks", files={"audio": b"x"}),
                client.get("/health/ready"),
            ]
            live, *refused = await asyncio.gather(client.get("/health/live"), *requests)
        assert live.status_code == 200
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [(503, "5")] * 4
        durable_server.go_on()


async def test_a_gateway_starts_without_redis(gateway_settings: Settings, durable_server: RedisServer) -> None:
    """The order in which things start does not matter."""
    durable_server.stop()
    async with served(gateway_settings) as client:
        assert (await client.get("/health/ready")).status_code == 503
        durable_server.start()
        async with connected(gateway_settings, name="test") as redis:
            task = await LiveTask(redis).create()
            await task.complete()
            async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                assert [name async for name, _ in frames(response)] == ["1-0"]
