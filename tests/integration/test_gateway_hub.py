"""The hub against a real Redis: whatever happens to pub/sub, a client gets each event once and in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from services.gateway.events import hub as hub_module
from services.gateway.events.backlog import Piece
from services.gateway.events.frames import Frame
from services.gateway.events.hub import Cursor, Hub
from services.gateway.events.topic import RING_BYTES, RING_FRAMES
from shared.events import TextSoFar
from shared.redis import Redis
from tests.conftest import RedisServer, wait_until
from tests.fakes.task import LiveTask

PATIENCE = 600.0
"""Longer than a test may take: what arrives only because a silence made the hub look into the log fails the test."""


@pytest.fixture
async def hub(redis: Redis) -> AsyncIterator[Hub]:
    async with Hub(redis).running() as hub:
        yield hub


async def numbers_to_the_end(cursor: Cursor, *, patience: float = PATIENCE) -> list[int]:
    """The numbers of all frames up to the terminal one."""
    numbers: list[int] = []
    async with asyncio.timeout(20):
        while True:
            for frame in await cursor.take(patience):
                numbers.append(frame.number)
                if frame.terminal:
                    cursor.close()
                    return numbers


async def channels(redis: Redis) -> list[bytes]:
    return await cast("Any", redis).pubsub_channels("audio_stream:*")


async def listeners(redis: Redis) -> list[dict[str, Any]]:
    return await cast("Any", redis).client_list("pubsub")


async def race(hub: Hub, redis: Redis, seed: int) -> None:
    """A publisher, some of whose messages are lost, against three clients that join at any moment from any event."""
    rng = random.Random(seed)
    task = await LiveTask(redis).create()
    end = rng.randint(2, 12)

    async def publish() -> None:
        for _ in range(1, end):
            await task.say(aloud=rng.random() > 0.1)
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
        await task.complete()

    async def watch(delay: float, after: int) -> list[int]:
        await asyncio.sleep(delay)
        return await numbers_to_the_end(hub.open(task.task_id, after=after))

    starts = [(rng.choice((0, 0.001, 0.003)), rng.randint(0, min(2, end - 1))) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        watched = [group.create_task(watch(*start)) for start in starts]
    for (_, after), numbers in zip(starts, watched, strict=True):
        assert numbers.result() == list(range(after + 1, end + 1)), f"seed {seed}"


async def test_no_event_is_missed_or_repeated_whenever_a_client_joins(hub: Hub, redis: Redis) -> None:
    """Two hundred races, ten at a time."""
    for start in range(0, 200, 10):
        async with asyncio.TaskGroup() as group:
            for seed in range(start, start + 10):
                group.create_task(race(hub, redis, seed))


async def test_what_was_published_before_the_confirmation_is_found(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look into the log and the subscription, nobody hears a message."""
    monkeypatch.setattr(hub_module, "POLL_SECONDS", 60.0)
    hub = Hub(redis)  # not running: the confirmation comes when the test says so
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    async with asyncio.TaskGroup() as group:
        taken = group.create_task(cursor.take(PATIENCE))
        await wait_until(lambda: cursor.resting, description="the client has found the log empty")
        await task.complete()
        cursor.topic.confirm()
        async with asyncio.timeout(30):
            assert [frame.number for frame in await taken] == [1]
    cursor.close()


async def test_what_was_published_between_a_look_and_its_answer_is_found(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look into the log that began before the subscription stood proves nothing, though it stands by the answer."""
    monkeypatch.setattr(hub_module, "POLL_SECONDS", 60.0)
    hub = Hub(redis)
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    read = hub.backlog.read

    async def slowly(task_id: str, number: int, *, last: Frame | None, texts: TextSoFar) -> Piece:
        piece = await read(task_id, number, last=last, texts=texts)
        if not task.log:
            await task.complete()
            cursor.topic.confirm()
        return piece

    monkeypatch.setattr(hub.backlog, "read", slowly)
    async with asyncio.timeout(15):
        assert [frame.number for frame in await cursor.take(PATIENCE)] == [1]
    cursor.close()


async def test_the_last_event_arrives_though_its_message_was_lost(hub: Hub, redis: Redis) -> None:
    """Silence makes a client look into the log."""
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    await task.say()
    assert [frame.number for frame in await cursor.take(PATIENCE)] == [1]
    await task.complete(aloud=False)
    assert await numbers_to_the_end(cursor, patience=0.05) == [2]


async def test_a_client_slower_than_the_ring_reads_the_log(hub: Hub, redis: Redis) -> None:
    """Memory is bounded by the ring, and the slow client still gets every event."""
    task = await LiveTask(redis).create()
    slow, quick = hub.open(task.task_id, after=0), hub.open(task.task_id, after=0)
    await task.say()
    assert len(await slow.take(PATIENCE)) == 1
    total = RING_FRAMES * 2
    async with asyncio.TaskGroup() as group:
        everything = group.create_task(numbers_to_the_end(quick))
        for _ in range(total - 2):
            await task.say()
        await task.complete()
    assert everything.result() == list(range(1, total + 1))
    assert await numbers_to_the_end(slow) == list(range(2, total + 1))


async def test_large_events_do_not_pile_up_in_memory(hub: Hub, redis: Redis) -> None:
    """The ring is bounded in bytes, too; what it drops is read from the log."""
    task = await LiveTask(redis).create()
    slow, other = hub.open(task.task_id, after=0), hub.open(task.task_id, after=0)
    for _ in range(20):
        await task.say("x" * 20_000)
    await task.complete()
    assert await numbers_to_the_end(other) == list(range(1, 22))
    assert await numbers_to_the_end(slow) == list(range(1, 22))
    topic = slow.topic
    assert topic.bytes == sum(len(frame.data) for frame in topic.frames) <= RING_BYTES


async def test_killing_the_connection_loses_nothing(hub: Hub, redis: Redis) -> None:
    """The connection is cut ten times while events are published."""
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)

    async def publish() -> None:
        for number in range(200):
            await task.say()
            if number % 20 == 10:
                await cast("Any", redis).execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.002)
        await task.complete()

    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        numbers = group.create_task(numbers_to_the_end(cursor))
    assert numbers.result() == list(range(1, 202))


async def test_r15_any_number_of_streams_costs_one_connection(hub: Hub, redis: Redis) -> None:
    """Two hundred streams of a hundred tasks are fed by one connection with a subscription per task."""
    tasks = [await LiveTask(redis).create() for _ in range(100)]
    cursors = [hub.open(task.task_id, after=0) for task in tasks for _ in range(2)]

    async def subscribed(count: int) -> bool:
        return len(await channels(redis)) == count

    await wait_until(lambda: subscribed(100), description="all tasks are subscribed to")
    assert len(await listeners(redis)) == 1
    for cursor in cursors:
        cursor.close()
    await wait_until(lambda: subscribed(0), description="nothing is subscribed to")


async def test_leaving_and_coming_back_at_once_keeps_the_subscription(hub: Hub, redis: Redis) -> None:
    """However the answers to SUBSCRIBE and UNSUBSCRIBE overlap, who comes last gets the events."""
    for pause in (0, 0, 0, 0.0005, 0.001, 0.002) * 5:
        task = await LiveTask(redis).create()
        for _ in range(4):
            cursor = hub.open(task.task_id, after=0)
            await asyncio.sleep(pause)
            cursor.close()
            await asyncio.sleep(pause)
        cursor = hub.open(task.task_id, after=0)
        await task.say()
        assert await cursor.take(PATIENCE)
        await task.complete()
        assert await numbers_to_the_end(cursor) == [2]


async def test_a_task_that_vanished_ends_its_streams(hub: Hub, redis: Redis) -> None:
    """When Redis has come back empty, clients are told so instead of waiting for ever."""
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    await task.say()
    await cursor.take(PATIENCE)
    await cast("Any", redis).flushall()
    await cast("Any", redis).execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    (end,) = await cursor.take(PATIENCE)
    assert end.terminal
    assert b"id:" not in end.data
    assert b'"step":"expired","progress":10,' in end.data
    assert b'"code":"task_lost"' in end.data


async def test_a_task_that_ended_earlier_than_a_client_remembers_ends_its_stream(hub: Hub, redis: Redis) -> None:
    """A Redis that lost its latest seconds may end a task with a number the client has seen already."""
    task = await LiveTask(redis).create()
    await task.say()
    await task.complete()
    assert await numbers_to_the_end(hub.open(task.task_id, after=40)) == [2]


async def test_r14_deaf_connection_is_replaced(
    hub: Hub, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that neither works nor fails is noticed by its silence."""
    monkeypatch.setattr(hub_module, "PING_SECONDS", 0.05)
    monkeypatch.setattr(hub_module, "DEAF_SECONDS", 0.2)
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    await task.say()
    await cursor.take(PATIENCE)
    await wait_until(lambda: hub.connected, description="the hub is connected")
    (before,) = await listeners(redis)
    redis_server.pause()
    try:
        await wait_until(lambda: not hub.connected, description="the hub has given the connection up")
    finally:
        redis_server.go_on()
    await task.complete()
    assert await numbers_to_the_end(cursor, patience=0.5) == [2]
    assert all(listener["id"] != before["id"] for listener in await listeners(redis))


async def test_closing_the_hub_ends_streams_and_refuses_new_ones(hub: Hub, redis: Redis) -> None:
    """A gateway that stops does not hold on to its clients."""
    task = await LiveTask(redis).create()
    cursor = hub.open(task.task_id, after=0)
    async with asyncio.TaskGroup() as group:
        taken = group.create_task(cursor.take(PATIENCE))
        await asyncio.sleep(0)
        hub.close()
    assert taken.result() == ()
    assert hub.open(task.task_id, after=0).closed
