"""Turns at a Redis that many use: so many commands at a time, and patience for as long as anybody is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from shared.redis import persist

T = TypeVar("T")


class Turns:
    """Lets `at_a_time` commands run side by side; the others wait, first come, first served."""

    def __init__(self, at_a_time: int) -> None:
        self._turns = asyncio.Semaphore(at_a_time)
        self._answers = 0

    async def persist(self, command: Callable[[], Awaitable[T]]) -> T:
        """What `command` returns, tried again for as long as Redis is away; each attempt waits for its turn."""

        async def in_turn() -> T:
            async with self._turns:
                result = await command()
                self._answers += 1
                return result

        return await persist(in_turn)

    async def while_answered(self, work: Coroutine[None, None, None], *, silence_seconds: float) -> bool:
        """Whether `work` has come to its end: it is cancelled once nobody has been answered for `silence_seconds`. A
        turn that is long in coming is no silence. `work` raises nothing."""
        async with asyncio.TaskGroup() as group:
            task, answers = group.create_task(work, name="while answered"), -1
            while not task.done() and answers != self._answers:
                answers = self._answers
                await asyncio.wait([task], timeout=silence_seconds)
            return task.done() or not task.cancel()
