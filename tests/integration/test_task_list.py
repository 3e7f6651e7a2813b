"""The list of tasks: order, pages, filter, owners, and that it stays short."""

from collections.abc import Mapping
from typing import Any, cast

import httpx
import pytest

from shared import events, keys, queue, tasks
from shared.messages import Options, StageName, State
from shared.redis import Redis
from shared.scripts import Limits, Scripts
from shared.submission import Submission
from tests.mesh import LIMITS


async def submit(redis: Redis, task_id: str, *, owner: str = "", limits: Limits = LIMITS) -> None:
    await Scripts(redis, limits).submit(
        Submission(
            task_id=task_id,
            route=(StageName.ASR,),
            options=Options(),
            job=queue.stage_job(task_id),
            owner=owner,
            name=f"{task_id}.wav",
        )
    )


async def cancel(redis: Redis, task_id: str) -> None:
    event = events.make_end(task_id, State.CANCELLED)
    await Scripts(redis, LIMITS).close(task_id, State.CANCELLED, event=event, error="")


async def page(client: httpx.AsyncClient, **query: Any) -> tuple[list[str], str | None]:
    """The ids of a page, and where the next one starts."""
    answer = await client.get("/audio/tasks", params=cast("Mapping[str, Any]", query))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [task["task_id"] for task in body["tasks"]], body["next_cursor"]


async def test_pages_are_stable_while_tasks_come_and_go(client: httpx.AsyncClient, redis: Redis) -> None:
    """Each task that is there all the time comes once, newest first, whatever arrives in front or expires behind."""
    for number in range(10):
        await submit(redis, f"t{number}")
    first, cursor = await page(client, limit=4)
    assert first == ["t9", "t8", "t7", "t6"]
    await submit(redis, "new")
    await redis.delete(keys.task("t6"), keys.task("t4"))
    second, cursor = await page(client, limit=4, cursor=cursor)
    third, end = await page(client, limit=4, cursor=cursor)
    assert (second + third, end) == (["t5", "t3", "t2", "t1", "t0"], None)
    assert await page(client, limit=1) == (["new"], (await page(client, limit=1))[1])
    assert (await page(client))[0] == ["new", "t9", "t8", "t7", "t5", "t3", "t2", "t1", "t0"]
    assert await redis.zcard(keys.tasks_of("")) == 9  # what has expired is looked up once, not for every page


async def test_a_task_in_the_list_is_shown_as_by_itself(client: httpx.AsyncClient, redis: Redis) -> None:
    """An entry is what the task's own path answers."""
    await submit(redis, "t")
    (shown,) = (await client.get("/audio/tasks")).json()["tasks"]
    assert shown == (await client.get("/audio/tasks/t")).json()
    assert shown["name"] == "t.wav"


async def test_list_by_state(client: httpx.AsyncClient, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tasks in that state; where few of many fit, a page may be short, and its cursor leads to the rest."""
    monkeypatch.setattr(tasks, "_LOOK_AT", 2)
    monkeypatch.setattr(tasks, "_MOST_LOOKS", 3)
    for number in range(10):
        await submit(redis, f"t{number}")
    for task_id in ("t8", "t7", "t0"):
        await cancel(redis, task_id)
    found, cursor = await page(client, state="cancelled")
    assert found == ["t8", "t7"]
    assert await page(client, state="cancelled", cursor=cursor) == (["t0"], None)
    assert (await page(client, state="queued", limit=1))[0] == ["t9"]


async def test_tasks_of_another_owner_are_not_there(client: httpx.AsyncClient, redis: Redis) -> None:
    """Neither in the list, nor by their id, nor when they have expired: exactly like one that never was."""
    await submit(redis, "theirs", owner="somebody")
    assert await page(client) == ([], None)
    assert (await client.get("/audio/tasks/theirs")).json()["code"] == "no_such_task"
    assert (await client.delete("/audio/tasks/theirs")).json()["code"] == "no_such_task"
    await redis.delete(keys.task("theirs"))
    assert (await client.get("/audio/tasks/theirs")).json()["code"] == "no_such_task"


async def test_list_holds_no_more_than_there_is(redis: Redis) -> None:
    """As new tasks come in, those that have expired go out, and the rest stay."""
    short = Limits(ttl_ms=2, wait_ms=1)
    await submit(redis, "long")
    for number in range(200):
        await submit(redis, f"t{number}", limits=short)
    assert await redis.zcard(keys.tasks_of("")) < 100
    assert (await tasks.newest(redis, "", count=1000)).tasks[-1].task_id == "long"


async def test_places_are_distinct_though_the_clock_stands_still(redis: Redis) -> None:
    """A task that comes within the same moment, or after the clock was set back, is behind the one before."""
    await redis.zadd(keys.tasks_of(""), {"later": 9e15})
    for task_id in ("a", "b"):
        await submit(redis, task_id)
    found = await redis.zrevrangebyscore(keys.tasks_of(""), "+inf", "-inf", start=0, num=9, withscores=True)
    assert [(name, int(place)) for name, place in found] == [
        (b"b", 9_000_000_000_000_002),
        (b"a", 9_000_000_000_000_001),
        (b"later", 9_000_000_000_000_000),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"cursor": "x"},
        {"cursor": "9" * 17},
        {"state": "bad"},
        {"state": "null"},
    ],
)
async def test_what_cannot_be_asked_for_is_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    """A page size out of bounds, a cursor that is none and a state that there is not are the client's mistakes."""
    answer = await client.get("/audio/tasks", params=query)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"bad_request", "bad_cursor", "bad_field"}
