"""How to wait between attempts."""

import asyncio
import random

LONGEST_PAUSE_SECONDS = 2.0
"""Whoever waits for a service tries again after this at the latest, unless the service names another time."""


class Pauses:
    """Waits longer each time, up to two seconds, with jitter so that many clients do not come at once."""

    def __init__(self) -> None:
        self._next = 0.05

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        seconds = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, LONGEST_PAUSE_SECONDS)
        return seconds

    async def wait(self) -> None:
        await asyncio.sleep(self.next())
