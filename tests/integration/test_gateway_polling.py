"""The polling stream: each step of a task, learnt from its record alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.exceptions import NoPermissionError

from services.gateway.settings import Settings
from shared.messages import StageName, Step
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import blocks, client_of, frames, served, serving, watched
from tests.fakes.stages import STAGES, FakeEngine
from tests.fakes.task import LiveTask
from tests.mesh import working

PATH = "/audio/process-stream"
STEPS = [
    "started",
    "transcription_complete",
    "translation_complete",
    "ner_complete",
    "classification_complete",
    "summarization_complete",
    "insights_complete",
    "completed",
]


@pytest.fixture
def gateway_settings(gateway_settings: Settings) -> Settings:
    return msgspec.structs.replace(gateway_settings, poll_seconds=0.05)


@pytest.fixture
async def deaf_url(redis: Redis, settings: BaseSettings) -> AsyncIterator[str]:
    """The Redis of the test for a user who may do everything but subscribe."""
    user: Any = redis
    command = user.execute_command
    await command("ACL", "SETUSER", "deaf", "on", ">x", "~*", "&*", "+@all", "-subscribe", "-psubscribe")
    url = settings.redis_url.replace("redis://", "redis://deaf:x@")
    async with connected(BaseSettings(redis_url=url), name="deaf") as deaf, deaf.pubsub() as pubsub:
        await pubsub.subscribe("x")
        with pytest.raises(NoPermissionError):
            await pubsub.get_message(timeout=30)
    yield url
    await command("ACL", "DELUSER", "deaf")


def number_of(event_id: str) -> int:
    return int(event_id.partition("-")[0])


async def test_each_step_comes_once_and_in_order_without_pub_sub(
    gateway_settings: Settings, settings: BaseSettings, deaf_url: str
) -> None:
    """A gateway that cannot subscribe streams the steps of a whole task: the results of each, no partial ones, and ids
    that grow."""
    form = {"include_translation": "true", "include_insights": "true", "target_language": "pt"}
    async with (
        working(STAGES[StageName.ASR], FakeEngine(), settings),
        working(STAGES[StageName.TRANSLATE], FakeEngine(), settings),
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.INSIGHTS], FakeEngine(), settings),
        served(msgspec.structs.replace(gateway_settings, redis_url=deaf_url)) as client,
        client.stream("POST", PATH, files={"audio": ("a.wav", wav())}, data=form) as response,
    ):
        assert response.status_code == 200, await response.aread()
        events = [(number_of(event_id), json.loads(data)) async for event_id, data in frames(response)]
    assert [event["step"] for _, event in events] == STEPS
    assert sorted({number for number, _ in events}) == [number for number, _ in events]
    assert events[1][1]["partial_result"]["transcript"] == "Sentence 1. Sentence 2. Sentence 3."


async def test_headers_are_those_of_the_realtime_stream(client: httpx.AsyncClient, task: LiveTask) -> None:
    """Nothing on the way may hold back, change or keep what is streamed; the task is named."""
    await task.complete()
    seen: list[dict[str, str]] = []
    for path in (PATH, "/audio/process-stream-realtime"):
        async with client.stream("GET", f"{path}?task_id={task.task_id}") as response:
            seen.append({name: value for name, value in response.headers.items() if name != "date"})
            await response.aread()
    assert seen[0] == seen[1]
    assert seen[0]["x-task-id"] == task.task_id


async def test_client_goes_on_behind_its_last_event(client: httpx.AsyncClient, task: LiveTask) -> None:
    """With an id it gets what came later and no step twice; with the last one it is told not to come back."""
    await task.say(step=Step.STARTED)
    for number in range(300):
        await task.say(f"part {number}")
    step = await task.say("all", step=Step.TRANSCRIPTION_COMPLETE)
    end = await task.complete()
    path = f"{PATH}?task_id={task.task_id}"
    assert [number_of(event_id) for event_id, _ in await watched(client, path)] == [1, step, end]
    for last, expected in ((1, [step, end]), (100, [step, end]), (step, [end]), (end + 1, [1, step, end])):
        found = await watched(client, path, **{"Last-Event-ID": f"{last}-0"})
        assert [number_of(event_id) for event_id, _ in found] == expected
    assert (await client.get(path, headers={"Last-Event-ID": f"{end}-0"})).status_code == 204
    bare = await client.get(PATH)
    assert (bare.status_code, bare.json()["code"]) == (400, "task_id_missing")


async def test_the_record_is_looked_at_no_more_often_than_it_should(gateway_settings: Settings, task: LiveTask) -> None:
    """Between two looks nothing comes, however much happens; meanwhile pings keep the connection open."""
    slow = msgspec.structs.replace(gateway_settings, poll_seconds=0.6, ping_seconds=0.1)
    async with served(slow) as client, client.stream("GET", f"{PATH}?task_id={task.task_id}") as response:
        pieces = blocks(response)
        begun = asyncio.get_running_loop().time()
        while await anext(pieces) != b": ping":  # the first look is over when it comes
            pass
        await task.say(step=Step.STARTED)
        await task.complete()
        rest = [piece async for piece in pieces]
    assert asyncio.get_running_loop().time() - begun > 0.4
    assert [b"\ndata: " in piece for piece in rest[-2:]] == [True, True]
    assert {*rest[:-2]} == {b": ping"}


async def test_every_ending_ends_the_stream(client: httpx.AsyncClient, redis: Redis, task: LiveTask) -> None:
    """A task that is cancelled, and one of which Redis knows no more, while somebody watches."""
    path = f"{PATH}?task_id={task.task_id}"
    async with client.stream("GET", path) as response:
        await task.say(step=Step.STARTED)
        await client.delete(f"/audio/tasks/{task.task_id}")
        assert [json.loads(data)["step"] async for _, data in frames(response)] == ["started", "cancelled"]
    other = await LiveTask(redis).create()
    async with client.stream("GET", f"{PATH}?task_id={other.task_id}") as response:
        keys_of_it = [key.decode() async for key in redis.scan_iter(f"vm:{{{other.task_id}}}:*")]
        await redis.delete(*keys_of_it)
        (event,) = [json.loads(data) async for _, data in frames(response)]
    assert (event["step"], event["error"]["code"]) == ("expired", "task_lost")


async def test_open_streams_end_at_shutdown_and_when_clients_leave(gateway_settings: Settings, task: LiveTask) -> None:
    """At once, without waiting for the next look; and nothing is left of a client that has gone."""
    slow = msgspec.structs.replace(gateway_settings, poll_seconds=60.0, ping_seconds=60.0)

    def open_streams() -> float | None:
        return REGISTRY.get_sample_value("voxmesh_open_streams")

    async with serving(slow) as server, client_of(server) as client:
        path = f"{PATH}?task_id={task.task_id}"
        async with client.stream("GET", path) as left, client.stream("GET", path) as response:
            await wait_until(lambda: open_streams() == 2, description="both streams are open")
            await left.aclose()
            await wait_until(lambda: open_streams() == 1, description="the stream of the one that left is gone")
            server.should_exit = True
            begun = asyncio.get_running_loop().time()
            assert [piece async for piece in frames(response)] == []
        assert asyncio.get_running_loop().time() - begun < 5
    assert open_streams() == 0
