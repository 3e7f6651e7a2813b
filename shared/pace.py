"""How long an attempt works, and how long it waits for others: the stage before, those who use the device, or Redis."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class OutOfTime(Exception):
    """The attempt has worked for as long as it may. A TimeoutError in its block is something else."""


class Pace:
    """The clock of an attempt. It ends the block with `OutOfTime` once the attempt has worked for `limit_seconds`."""

    def __init__(self, limit_seconds: float) -> None:
        self._clock = asyncio.timeout(limit_seconds)
        self._begun = asyncio.get_running_loop().time()
        self.rested_seconds = 0.0

    @property
    def worked_seconds(self) -> float:
        """Seconds since its begin that were no rest."""
        return asyncio.get_running_loop().time() - self._begun - self.rested_seconds

    async def __aenter__(self) -> Self:
        await self._clock.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._clock.__aexit__(kind, error, trace)
        except TimeoutError as over:
            raise OutOfTime from over

    async def rest(self, wait: Awaitable[T]) -> T:
        """What `wait` for others returns. The clock stands meanwhile."""
        ends, begun = self._clock.when(), asyncio.get_running_loop().time()
        self._clock.reschedule(None)
        try:
            return await wait
        finally:  # a wait that is cut short was a rest all the same
            rested = asyncio.get_running_loop().time() - begun
            self.rested_seconds += rested
            if ends is not None:
                self._clock.reschedule(ends + rested)
