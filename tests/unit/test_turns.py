"""Turns at a Redis that many use: who waits long for one, and who waits in vain."""

import asyncio

from shared.turns import Turns


async def test_a_turn_that_is_long_in_coming_is_waited_for() -> None:
    """Behind a crowd that is answered one by one, work may take a multiple of the silence that would end it."""
    turns, removed = Turns(1), asyncio.Event()

    async def remove() -> None:
        await turns.persist(lambda: asyncio.sleep(0, removed.set()))

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(turns.persist(lambda: asyncio.sleep(0.1)))
        await asyncio.sleep(0)  # they stand in front of it
        assert await turns.while_answered(remove(), silence_seconds=0.5)
    assert removed.is_set()


async def test_nobody_is_waited_for_where_nobody_is_answered() -> None:
    """Work that waits for a turn, or for its own answer, is given up; the next in turn gets its own."""
    turns, silence = Turns(1), asyncio.Event()

    async def ask() -> None:
        await turns.persist(silence.wait)

    assert await asyncio.gather(*(turns.while_answered(ask(), silence_seconds=0.2) for _ in range(3))) == [False] * 3
    silence.set()
    assert await turns.while_answered(ask(), silence_seconds=60)
