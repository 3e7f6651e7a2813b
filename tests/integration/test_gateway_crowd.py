"""A crowd that comes and goes leaves nothing behind in the gateway."""

import asyncio
import random
from pathlib import Path

import psutil

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.gateway import client_of, serving
from tests.fakes.task import LiveTask

CLIENTS = 100
VISITS = 8


async def _visit(port: int, task_id: str, fate: random.Random) -> None:
    """Opens a stream, reads for a moment and leaves, one time in two without a good-bye."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /audio/tasks/{task_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        async with asyncio.timeout(fate.uniform(0, 0.3)):
            status = await reader.readline()
            assert status == b"HTTP/1.1 200 OK\r\n"
            while await reader.read(65_536):
                pass
    except TimeoutError:
        pass
    if fate.random() < 0.5:
        writer.transport.abort()
    writer.close()


async def test_clients_that_come_and_go_leave_nothing_behind(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """Tasks of the loop and subscriptions are as before; connections stay below a bound."""
    gateway = Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    fate = random.Random(5)
    async with serving(gateway) as server, client_of(server) as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await wait_until(ready, description="the gateway is ready")
        before = len(asyncio.all_tasks())
        tasks = [await LiveTask(redis).create() for _ in range(10)]

        async def come_and_go() -> None:
            for _ in range(VISITS):
                await _visit(server.config.port, fate.choice(tasks).task_id, fate)

        async with asyncio.TaskGroup() as crowd:
            for _ in range(CLIENTS):
                crowd.create_task(come_and_go())
            for number in range(200):
                await tasks[number % len(tasks)].say("A word.")
        await wait_until(lambda: len(asyncio.all_tasks()) <= before, description="all requests have ended")

        async def silent() -> bool:
            return (await redis.info("stats"))["pubsub_channels"] == 0

        await wait_until(silent, description="no channel is listened to")
        assert len(psutil.Process().net_connections("tcp")) < 2 * CLIENTS
