"""How long an attempt works, and how long it waits for others: the stage before, or those who use the device."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self


class Pace:
    """The clock of an attempt. It raises TimeoutError in the block once the attempt has worked for `limit_seconds`."""

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
        return await self._clock.__aexit__(kind, error, trace)

    async def rest(self, wait: Awaitable[object]) -> None:
        """Wait for others. The clock stands meanwhile."""
        ends, begun = self._clock.when(), asyncio.get_running_loop().time()
        self._clock.reschedule(None)
        try:
            await wait
        finally:  # a wait that is cut short was a rest all the same
            rested = asyncio.get_running_loop().time() - begun
            self.rested_seconds += rested
            if ends is not None:
                self._clock.reschedule(ends + rested)
