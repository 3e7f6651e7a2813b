"""A task's time: what is answered before it is over, and after."""

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from shared import keys
from shared.redis import Redis
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import frames

PATHS = (
    "/audio/tasks/{}",
    "/audio/tasks/{}/events",
    "/audio/tasks/{}/result",
    "/audio/process-stream-realtime?task_id={}",
)


@pytest.fixture
def gateway_settings(gateway_settings: Settings) -> Settings:
    return msgspec.structs.replace(gateway_settings, task_ttl_seconds=3, wait_limit_seconds=2, tombstone_seconds=2)


async def submit(client: httpx.AsyncClient) -> str:
    answer = await client.post("/audio/tasks", files={"audio": ("a.wav", wav())})
    return str(answer.json()["task_id"])


async def refusals(client: httpx.AsyncClient, task_id: str) -> set[tuple[int, str]]:
    """Status and code of all that can be asked of a task."""
    answers = [await client.get(path.format(task_id)) for path in PATHS]
    answers.append(await client.delete(f"/audio/tasks/{task_id}"))
    return {(answer.status_code, answer.json()["code"]) for answer in answers}


async def test_c03_unknown_expired_and_waiting_are_told_apart(client: httpx.AsyncClient, redis: Redis) -> None:
    """200 while it waits, 410 when its time is over, 404 when it never was, and again when it is long forgotten. The
    list holds it as long as there is something to show."""
    never = "0" * 32
    assert await refusals(client, never) == {(404, "no_such_task")}
    task_id = await submit(client)
    assert (await client.get(f"/audio/tasks/{task_id}")).json()["state"] == "queued"
    assert [task["task_id"] for task in (await client.get("/audio/tasks")).json()["tasks"]] == [task_id]

    async def over() -> bool:
        assert (await client.get("/audio/tasks")).status_code == 200
        return not await redis.exists(keys.task(task_id))

    await wait_until(over, description="the task's time is over")
    assert await refusals(client, task_id) == {(410, "task_expired")}
    assert (await client.get("/audio/tasks")).json() == {"tasks": [], "next_cursor": None}

    async def forgotten() -> bool:
        return not await redis.exists(keys.tombstone(task_id))

    await wait_until(forgotten, description="it is no longer known that it was")
    assert await refusals(client, task_id) == {(404, "no_such_task")}


async def test_c03_stream_of_a_task_that_expires_meanwhile_ends(client: httpx.AsyncClient) -> None:
    """Whoever watches when the time is over gets one last event that says so."""
    task_id = await submit(client)
    async with client.stream("GET", f"/audio/tasks/{task_id}/events") as response:
        events = [data async for _, data in frames(response)]
    assert [b'"step":"expired"' in data for data in events] == [True]
