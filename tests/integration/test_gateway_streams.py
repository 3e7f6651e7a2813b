"""Streams over real HTTP."""

import asyncio
import json
from typing import Any, cast

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from tests.conftest import wait_until
from tests.fakes.gateway import blocks, client_of, frames, served, serving, watched
from tests.fakes.task import LiveTask


def path_of(task: LiveTask) -> str:
    return f"/audio/process-stream-realtime?task_id={task.task_id}"


async def test_s07_a_stream_carries_the_log_to_the_letter(client: httpx.AsyncClient, task: LiveTask) -> None:
    """Replayed or live, each event is one data line with exactly the JSON of the log, and its id."""
    odd = 'a\u2028b\x0bc\x85d\r\ne\rf\n"q"'
    await task.say(odd)
    async with client.stream("GET", path_of(task)) as response:
        events = frames(response)
        first = await anext(events)
        await task.say(odd)
        await task.complete()
        rest = [event async for event in events]
    assert [first, *rest] == [(f"{n}-0", event) for n, event in enumerate(task.log, 1)]
    assert json.loads(first[1])["partial_result"]["transcript"] == odd


async def test_s03_s04_headers_leave_before_the_first_event(gateway_settings: Settings, task: LiveTask) -> None:
    """A client knows that it is connected while nothing happens, and no proxy is to hold the stream back or compress
    it."""
    silent = msgspec.structs.replace(gateway_settings, ping_seconds=120.0)
    headers = {"Accept-Encoding": "gzip, br"}
    async with served(silent) as client, client.stream("GET", path_of(task), headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-task-id"] == task.task_id
        assert "content-encoding" not in response.headers
        assert await anext(blocks(response)) == b": open"


async def test_s05_a_silent_stream_is_kept_open(client: httpx.AsyncClient, task: LiveTask) -> None:
    """A comment goes out in each silence, from the start."""
    async with client.stream("GET", path_of(task)) as response:
        seen = blocks(response)
        assert [await anext(seen) for _ in range(4)] == [b": open", b": ping", b": ping", b": ping"]


@pytest.mark.parametrize(
    ("last_id", "first"),
    [("2-0", 3), ("2", 3), ("0-0", 1), ("", 1), ("abc", 1), ("999999", 1), ("-1", 1), ("2-x", 1)],
)
async def test_s08_a_client_that_comes_back_gets_what_it_missed(
    client: httpx.AsyncClient, task: LiveTask, last_id: str, first: int
) -> None:
    """Strictly behind the id it names; an id that cannot be is taken for none."""
    for _ in range(3):
        await task.say()
    await task.complete()
    seen = await watched(client, path_of(task), **{"Last-Event-ID": last_id})
    assert [name for name, _ in seen] == [f"{number}-0" for number in range(first, 5)]


async def test_both_paths_carry_the_same_stream(client: httpx.AsyncClient, task: LiveTask) -> None:
    """A task's own path and the path that the guide names answer alike."""
    await task.say()
    await task.complete()
    assert await watched(client, path_of(task)) == await watched(client, f"/audio/tasks/{task.task_id}/events")


async def test_s09_a_client_that_has_everything_is_sent_away(client: httpx.AsyncClient, task: LiveTask) -> None:
    """204 to the one who has the last event; whoever lacks it gets it."""
    await task.say()
    await task.complete()
    answer = await client.get(path_of(task), headers={"Last-Event-ID": "2-0"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(await watched(client, path_of(task), **{"Last-Event-ID": "1-0"})) == 1


async def test_a_cancelled_task_ends_its_stream(client: httpx.AsyncClient, task: LiveTask) -> None:
    """Any terminal event is the last one."""
    async with client.stream("GET", path_of(task)) as response:
        await task.say()
        await task.cancel()
        seen = [json.loads(event) async for _, event in frames(response)]
    assert [event["step"] for event in seen] == ["transcription", "cancelled"]


@pytest.mark.parametrize("path", ["/audio/process-stream-realtime?task_id=nobody", "/audio/tasks/nobody/events"])
async def test_an_unknown_task_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    """No stream is opened for a task that does not exist."""
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "no_such_task"


async def test_s10_a_client_that_leaves_leaves_nothing_behind(
    client: httpx.AsyncClient, task: LiveTask, redis: Redis
) -> None:
    """Streams that nothing is happening on are cleaned up, too, and the task goes on."""
    for _ in range(20):
        async with client.stream("GET", path_of(task)) as response:
            await anext(blocks(response))

    async def unsubscribed() -> bool:
        return not await cast("Any", redis).pubsub_channels("audio_stream:*")

    await wait_until(unsubscribed, description="nothing is subscribed to")
    metrics = (await client.get("/metrics")).text
    assert "voxmesh_open_streams 0.0" in metrics
    assert (await client.get(f"/audio/tasks/{task.task_id}")).json()["state"] == "queued"


async def test_s14_streams_end_when_the_gateway_stops(gateway_settings: Settings, task: LiveTask) -> None:
    """A stream that would last for ever does not hold up the shutdown; its client goes on at another replica."""
    async with (
        serving(gateway_settings) as server,
        client_of(server) as client,
        client.stream("GET", path_of(task)) as response,
    ):
        seen = blocks(response)
        assert await anext(seen) == b": open"
        server.should_exit = True
        async with asyncio.timeout(30):
            (hint,) = [block async for block in seen if block != b": ping"]
    assert 1000 <= int(hint.removeprefix(b"retry: ")) <= 4000


async def test_s08_another_replica_continues(gateway_settings: Settings, task: LiveTask) -> None:
    """Ids mean the same on every gateway."""
    async with served(gateway_settings) as one, served(gateway_settings) as other:
        await task.say()
        async with one.stream("GET", path_of(task)) as response:
            name, _ = await anext(frames(response))
        await task.say()
        await task.complete()
        rest = await watched(other, path_of(task), **{"Last-Event-ID": name})
    assert [name for name, _ in rest] == ["2-0", "3-0"]


async def test_the_state_of_a_task(client: httpx.AsyncClient, task: LiveTask) -> None:
    """A client that does not stream can ask."""
    state = (await client.get(f"/audio/tasks/{task.task_id}")).json()
    assert state["state"] == "queued"
    assert state["route"] == ["asr", "nlp"]
    assert state["links"]["events"] == f"/audio/tasks/{task.task_id}/events"
    await task.cancel()
    state = (await client.get(state["links"]["self"])).json()
    assert (state["state"], state["error"]) == ("cancelled", None)
