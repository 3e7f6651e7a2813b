"""Wake-ups: one subscription per worker process tells it that there is new work, so that nothing waits for a poll.

A wake-up carries no data and may get lost; whoever waits also looks for itself after a while.
"""

import asyncio
import builtins
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

import structlog
from redis.exceptions import TimeoutError

from shared.pauses import Pauses
from shared.redis import AWAY, PubSub, Redis, answered

log = structlog.get_logger(__name__)

SILENCE_SECONDS = 5.0
"""A subscription that has been silent for so long is asked for a sign of life, and given up after as long again."""


class Wakeups:
    """Listens on one channel. `job:ID` wakes the queue reader, `record:ID` the attempt that works on the task."""

    def __init__(self, redis: Redis, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._attempts: dict[str, asyncio.Event] = {}
        self.jobs = asyncio.Event()

    @contextmanager
    def of_task(self, task_id: str) -> Generator[asyncio.Event]:
        """The event that is set when the stage before has written for `task_id`."""
        event = self._attempts[task_id] = asyncio.Event()
        try:
            yield event
        finally:
            if self._attempts.get(task_id) is event:
                del self._attempts[task_id]

    async def listen(self) -> None:
        """Runs until cancelled, through any loss of the connection."""
        pauses = Pauses()
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await answered(pubsub.subscribe(self._channel))
                    self._wake_all()
                    pauses = Pauses()
                    async for message in _messages(pubsub):
                        self._wake(message)
            except AWAY as error:
                log.warning("wakeups_interrupted", error=str(error))
                await pauses.wait()

    def _wake(self, data: bytes) -> None:
        kind, _, task_id = data.partition(b":")
        if kind == b"job":
            self.jobs.set()
        elif event := self._attempts.get(task_id.decode()):
            event.set()

    def _wake_all(self) -> None:
        self.jobs.set()
        for event in self._attempts.values():
            event.set()


async def _messages(pubsub: PubSub) -> AsyncGenerator[bytes]:
    """What comes over the channel. Raises one of `AWAY` when a subscription has gone deaf."""
    asked = False
    while True:
        push = await pubsub.get_message(timeout=SILENCE_SECONDS)
        if push is None:
            if asked:
                raise TimeoutError("Redis does not answer a subscriber")
            await answered(pubsub.ping())
        elif push["type"] == "message":
            yield push["data"]
        asked = push is None


async def until_set(event: asyncio.Event, *, at_most_seconds: float) -> None:
    """Wait for the wake-up, or for as long as losing one may cost."""
    try:
        async with asyncio.timeout(at_most_seconds):
            await event.wait()
    except builtins.TimeoutError:
        pass
    event.clear()
