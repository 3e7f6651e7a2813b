"""A crowd that comes and goes leaves nothing behind in the gateway, and disturbs no task.

For eight seconds, or as many as CROWD_SECONDS says.
"""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from typing import Any, cast

import httpx
import psutil
import pytest

from services.gateway.app import Server
from services.gateway.settings import Settings
from shared.messages import Event, StageName, Step
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import client_of, serving, until_ready
from tests.mesh import until_ended, worker_process

CLIENTS = 300
SECONDS = float(os.environ.get("CROWD_SECONDS", "8"))
SEGMENTS = 40


async def visit(port: int, path: str, fate: random.Random) -> None:
    """Opens a stream, reads for a moment and leaves, one time in two without a good-bye."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        async with asyncio.timeout(fate.uniform(0, 4)):
            assert (await reader.readline()).split()[1] in (b"200", b"204")
            while await reader.read(65_536):
                pass
    except TimeoutError:
        pass
    if fate.random() < 0.5:
        writer.transport.abort()
    writer.close()


async def crowd(port: int, task_ids: Sequence[str]) -> int:
    """`CLIENTS` clients that open one stream after the other, of one task or of several. How many streams it were."""
    fate = random.Random(5)
    end = time.monotonic() + SECONDS
    visits = 0

    async def come_and_go() -> None:
        nonlocal visits
        while time.monotonic() < end:
            chosen = fate.sample(task_ids, fate.choice((1, 1, 3)))
            path = f"/audio/tasks/{chosen[0]}/events"
            if len(chosen) > 1:
                path = "/audio/events?" + "&".join(f"task_id={task_id}" for task_id in chosen)
            await visit(port, path, fate)
            visits += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(come_and_go())
    return visits


class Belongings:
    """What a process has in hand on account of its gateway."""

    def __init__(self, redis: Redis) -> None:
        self._redis = cast("Any", redis)

    async def count(self) -> dict[str, int]:
        connections = await self._redis.client_list()
        return {
            "connections": len([client for client in connections if client["name"] == "gateway"]),
            "subscriptions": len(await self._redis.pubsub_channels("audio_stream:*")),
            "files": psutil.Process().num_fds(),
            "tasks": len(asyncio.all_tasks()),
        }


async def submitted(client: httpx.AsyncClient, count: int) -> list[str]:
    answers = [await client.post("/audio/tasks", files={"audio": wav(0.1)}) for _ in range(count)]
    return [answer.json()["task_id"] for answer in answers]


def assert_undisturbed(events: Sequence[Event]) -> None:
    """Each step once, each segment once, one end."""
    steps = [event.step for event in events]
    assert steps.count(Step.TRANSCRIPTION) == SEGMENTS
    assert [step for step in steps if step.terminal] == steps[-1:] == [Step.COMPLETED]
    assert [step for step in steps if steps.count(step) > 1 and step is not Step.TRANSCRIPTION] == []


async def measured(server: Server, client: httpx.AsyncClient, redis: Redis) -> None:
    """The crowd comes while ten tasks are worked on; once it is gone, all is as it was before."""
    await until_ready(client)
    await until_ended(redis, (await submitted(client, 1))[0])
    belongings = Belongings(redis)
    before = await belongings.count()
    task_ids = await submitted(client, 10)
    visits = await crowd(server.config.port, task_ids)
    assert visits > CLIENTS
    for task_id in task_ids:
        assert_undisturbed(await until_ended(redis, task_id))
    after: dict[str, int] = {}

    async def as_before() -> bool:
        after.update(await belongings.count())
        return all(after[name] <= number for name, number in before.items())

    try:
        await wait_until(as_before, description="all is as it was before")
    finally:
        print(f"{visits} streams; before {before}, after {after}")


@pytest.mark.timeout(180 + 3 * SECONDS)
async def test_three_hundred_clients_that_come_and_go_leave_nothing_behind(
    redis: Redis, settings: BaseSettings, gateway_settings: Settings
) -> None:
    """Redis connections, subscriptions, file handles and tasks of the loop are what they were."""
    pause = SECONDS * 0.6 / (10 * SEGMENTS)  # so that the tasks are worked on for most of the time
    environ = {"FAKE_SECONDS": str(pause), "FAKE_SEGMENTS": str(SEGMENTS)}
    with worker_process(StageName.ASR, settings, environ), worker_process(StageName.NLP, settings, {}):
        async with serving(gateway_settings) as server, client_of(server) as client:
            await measured(server, client, redis)
