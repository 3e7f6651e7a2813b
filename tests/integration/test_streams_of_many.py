"""One stream for many tasks: S12, because a browser allows six connections to one origin."""

import asyncio
import json
import random

import httpx
import pytest

from services.gateway.settings import Settings
from services.gateway.streams import MOST_TASKS
from shared.redis import Redis
from tests.fakes.gateway import blocks, frames, served, watched
from tests.fakes.task import LiveTask

Seen = dict[str, list[bytes]]


async def create(redis: Redis, count: int) -> list[LiveTask]:
    return [await LiveTask(redis).create() for _ in range(count)]


def path_of(*task_ids: str) -> str:
    return "/audio/events?" + "&".join(f"task_id={task_id}" for task_id in task_ids)


def all_of(tasks: list[LiveTask]) -> str:
    return path_of(*(task.task_id for task in tasks))


def by_task(events: list[bytes]) -> Seen:
    """The events of each task, in the order in which they came."""
    seen: Seen = {}
    for event in events:
        seen.setdefault(json.loads(event)["task_id"], []).append(event)
    return seen


async def test_s12_ten_tasks_on_one_stream(client: httpx.AsyncClient, redis: Redis) -> None:
    """Each event is to the letter what the task's own stream carries, in its order; the stream ends with the last."""
    tasks = await create(redis, 10)
    for task in tasks[:5]:
        await task.say("Said before.")
    async with client.stream("GET", all_of(tasks)) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-accel-buffering"] == "no"
        for turn in range(3):
            for task in tasks:
                await task.say(f"Word {turn}.")
        for task in tasks:
            await task.complete()
        seen = [event async for _, event in frames(response)]
    assert by_task(seen) == {task.task_id: task.log for task in tasks}


async def test_s12_a_client_that_comes_back_resumes_every_task(gateway_settings: Settings, redis: Redis) -> None:
    """Cut at any event and continued on another replica, it gets the rest of each task, and nothing twice."""
    tasks = await create(redis, 6)
    for number in range(40):
        await random.Random(number).choice(tasks).say(f"Word {number}.")
    for task in tasks:
        await task.complete()
    async with served(gateway_settings) as one, served(gateway_settings) as other:
        whole = await watched(one, all_of(tasks))
        assert len(whole) == 46
        for cut in range(0, 45, 4):
            last_id, _ = whole[cut]
            assert len(last_id) < 60
            rest = await watched(other, all_of(tasks), **{"Last-Event-ID": last_id})
            had = [event for _, event in whole[: cut + 1]]
            assert by_task(had + [event for _, event in rest]) == {task.task_id: task.log for task in tasks}
        done = await other.get(all_of(tasks), headers={"Last-Event-ID": whole[-1][0]})
        assert (done.status_code, done.content) == (204, b"")


async def test_s12_an_id_holds_for_a_stream_of_other_tasks(client: httpx.AsyncClient, redis: Redis) -> None:
    """A page that adds a task and drops another opens the stream anew and continues those that it still watches."""
    one, two, three = await create(redis, 3)
    for task in (one, two, three):
        await task.say("First.")
        await task.complete()
    seen = await watched(client, path_of(one.task_id, two.task_id))
    query = f"{path_of(two.task_id, three.task_id)}&last_event_id={seen[-1][0]}"
    assert by_task([event for _, event in await watched(client, query)]) == {three.task_id: three.log}


@pytest.mark.parametrize("strange", ["", "abc", "7-0", "zzzz:3", "a:b:c", "x:", ":1", "abcd:1,", "abcd:" + "9" * 99])
async def test_s12_an_id_that_cannot_be_is_taken_for_none(
    client: httpx.AsyncClient, redis: Redis, strange: str
) -> None:
    """Everything again is better than a hole."""
    tasks = await create(redis, 2)
    for task in tasks:
        await task.complete()
    seen = await watched(client, all_of(tasks), **{"Last-Event-ID": strange})
    assert by_task([event for _, event in seen]) == {task.task_id: task.log for task in tasks}


async def test_s12_a_silent_task_holds_up_no_other(client: httpx.AsyncClient, redis: Redis) -> None:
    """What happens in one is sent at once, and pings come while nothing happens in any, one at a time."""
    silent, busy = await create(redis, 2)
    async with client.stream("GET", path_of(silent.task_id, busy.task_id)) as response:
        pieces = blocks(response)
        assert await anext(pieces) == b": open"
        assert await anext(pieces) == b": ping"
        async with asyncio.timeout(20):  # with the pings, it would take half a minute
            for _ in range(150):
                await busy.say("A word.")
                while await anext(pieces) == b": ping":
                    pass
        before = asyncio.get_running_loop().time()
        assert [await anext(pieces) for _ in range(4)] == [b": ping"] * 4
        assert asyncio.get_running_loop().time() - before > 0.6  # not one from each task
        await silent.complete()
        await busy.complete()
        rest = [piece.partition(b"data: ")[2] async for piece in pieces if piece != b": ping"]
        assert set(rest) == {silent.log[-1], busy.log[-1]}  # in either order: each task has its own


async def test_s12_a_task_that_is_not_known_ends_at_once(client: httpx.AsyncClient, redis: Redis) -> None:
    """It must not end the stream of the others, and is not told of again and again to a browser that comes back."""
    (task,) = await create(redis, 1)
    await task.say("A word.")
    await task.complete()
    path = path_of("nobody", task.task_id)
    seen = await watched(client, path)
    events = by_task([event for _, event in seen])
    (end,) = events["nobody"]
    assert (json.loads(end)["step"], json.loads(end)["error"]["code"]) == ("expired", "task_lost")
    assert events[task.task_id] == task.log
    assert (await client.get(path, headers={"Last-Event-ID": seen[-1][0]})).status_code == 204


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/audio/events", 400, "task_id_missing"),
        (path_of(*map(str, range(MOST_TASKS + 1))), 400, "too_many_task_ids"),
        (path_of("nobody", "noone"), 404, "no_such_task"),
        (path_of("a%0Aevent:x"), 404, "no_such_task"),
    ],
)
async def test_s12_what_cannot_be_watched(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    """Refused before a stream is opened, with the tasks by name."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if path.endswith("noone"):
        assert "nobody, noone" in answer.json()["detail"]


async def test_s12_a_task_named_twice_is_watched_once(client: httpx.AsyncClient, redis: Redis) -> None:
    """Duplicates collapse."""
    (task,) = await create(redis, 1)
    await task.complete()
    assert len(await watched(client, path_of(task.task_id, task.task_id))) == 1
