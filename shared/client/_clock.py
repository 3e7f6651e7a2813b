"""How long a call may still take: to its deadline, and through an outage to the end of its patience."""

import asyncio
import builtins
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from shared.errors import DeadlineExceeded, MeshError
from shared.pauses import Pauses


class Clock:
    """One per call. Seconds count from when it is made."""

    def __init__(self, *, patience: float, deadline: float | None) -> None:
        self._patience = patience
        self._seconds = deadline
        self._ends = None if deadline is None else time.monotonic() + deadline
        self.heard()

    def heard(self) -> None:
        """The gateway has shown a sign of life: the next outage has the whole patience before it."""
        self._pauses = Pauses()
        self._away_since: float | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Raises `DeadlineExceeded` when the block is not done by the deadline."""
        left = None if self._ends is None else self._ends - time.monotonic()
        timeout = asyncio.timeout(left)
        try:
            async with timeout:
                yield
        except builtins.TimeoutError as error:
            if timeout.expired():
                raise self._too_late() from error
            raise

    async def pause(self, failure: MeshError, *, at_least: float = 0.0) -> None:
        """Wait before another attempt, for `at_least` so many seconds. Raises `failure` when patience would be over by
        then, and `DeadlineExceeded` when the time would be."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        # A crowd that was told the same time must not come back at the same moment.
        pause = self._pauses.next() + at_least * random.uniform(1.0, 1.25)
        if now + pause > self._away_since + self._patience:
            raise failure
        if self._ends is not None and now + pause > self._ends:
            raise self._too_late() from failure
        await asyncio.sleep(pause)

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"It did not happen within {self._seconds:g} s.")
