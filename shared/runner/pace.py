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
        self._ends: float | None = None
        self._resting = 0
        self._rests_since = self._begun
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
        """What `wait` for others returns. The clock stands meanwhile, until the last of those who wait at the same time
        is back."""
        if not self._resting:
            self._stand()
        self._resting += 1
        try:
            return await wait
        finally:  # a wait that is cut short was a rest all the same
            self._resting -= 1
            if not self._resting:
                self._go_on()

    def _stand(self) -> None:
        self._rests_since, self._ends = asyncio.get_running_loop().time(), None
        if not self._clock.expired():
            self._ends = self._clock.when()
            self._clock.reschedule(None)

    def _go_on(self) -> None:
        rested = asyncio.get_running_loop().time() - self._rests_since
        self.rested_seconds += rested
        if self._ends is not None:
            self._clock.reschedule(self._ends + rested)
