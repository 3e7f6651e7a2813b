"""Streams for those who cannot have pub/sub: the record of a task is looked at every few seconds.

Slower than the hub's by design, and with less to tell: a client gets each step when it is done, and nothing in between.
"""

import asyncio
from collections.abc import Sequence

from services.gateway.events.backlog import Backlog
from services.gateway.events.frames import Frame
from shared.redis import AWAY, answered


class Poll:
    """One client's place in the steps of a task."""

    __slots__ = ("_due", "_last", "_left", "_number", "_polling", "task_id")

    def __init__(self, polling: "Polling", task_id: str, number: int) -> None:
        self._polling = polling
        self.task_id = task_id
        self._number = number
        self._last: Frame | None = None
        self._due = 0.0
        self._left = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._left.is_set()

    async def take(self, patience: float) -> Sequence[Frame]:
        """The steps that are done since the last one taken; none after `patience` seconds of silence or once closed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while not self.closed:
            if self._due <= loop.time():
                frames = await self._look()
                self._due = loop.time() + self._polling.seconds
                if frames:
                    self._last = frames[-1]
                    return frames
            until = min(deadline, self._due)
            await self._rest(until - loop.time())
            if until == deadline:
                break
        return ()

    def close(self) -> None:
        """Leave. Takes effect at once and awaits nothing, so that it cannot be interrupted."""
        if not self.closed:
            self._left.set()
            self._polling.leave(self)

    async def _look(self) -> Sequence[Frame]:
        try:
            self._number, frames = await answered(
                self._polling.backlog.read_steps(self.task_id, self._number, last=self._last)
            )
        except AWAY:
            return ()
        return frames

    async def _rest(self, seconds: float) -> None:
        """Return when closed, or when `seconds` have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._left.wait()
        except TimeoutError:
            pass


class Polling:
    """All clients of this process that poll. `seconds` lie between two looks at a record."""

    def __init__(self, backlog: Backlog, *, seconds: float) -> None:
        self.backlog = backlog
        self.seconds = seconds
        self._polls: set[Poll] = set()
        self._closing = False

    def open(self, task_id: str, *, after: int) -> Poll:
        """A place behind event number `after`. The caller closes it, whatever happens."""
        poll = Poll(self, task_id, after)
        self._polls.add(poll)
        if self._closing:
            poll.close()
        return poll

    def leave(self, poll: Poll) -> None:
        """Forget it."""
        self._polls.remove(poll)

    def close(self) -> None:
        """End all streams, those that open later too: their clients come back to another replica."""
        self._closing = True
        for poll in tuple(self._polls):
            poll.close()
