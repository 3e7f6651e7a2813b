"""Fans events out from Redis to any number of clients, over one pub/sub connection per process.

The event log is the truth; pub/sub only makes it fast. A task that somebody watches has a `Topic` with its latest
frames, shared by all its clients. A client is a `Cursor`: the number of the last event it had, and a way to be woken.
It takes what it lacks from the topic, and reads the log whenever the topic cannot be trusted to reach back that far:
at first, after the connection was lost, after a gap in the numbers, when the client was too slow for the ring, and,
should a message have been lost without a trace, after each silence. So memory is bounded, whatever clients do, and no
event is missed or sent twice, whatever pub/sub does.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog

from services.gateway.events._pubsub import Listener, listener
from services.gateway.events.backlog import Backlog
from services.gateway.events.frames import Frame, frame
from services.gateway.events.topic import Topic
from shared import events, metrics
from shared.events import TextSoFar
from shared.pauses import Pauses
from shared.redis import AWAY, Redis

log = structlog.get_logger(__name__)

PING_SECONDS, DEAF_SECONDS = 5.0, 12.0
"""A connection silent for the first is asked for a sign of life; silent for the second, it is given up."""
POLL_SECONDS = 1.0
"""How often a client's log is read while there is no subscription."""
_CONFIRMATION_SECONDS = 0.1
"""What is read before the subscription stands has to be read again, so a new client waits for it, but not for long."""


class Cursor:
    """One client's place in the events of a task."""

    __slots__ = ("_behind", "_epoch", "_hub", "_last", "_news", "_number", "_texts", "_waiter", "closed", "topic")

    def __init__(self, hub: "Hub", topic: Topic, number: int) -> None:
        self._hub = hub
        self.topic = topic
        self._number = number
        self._last: Frame | None = None
        self._texts = TextSoFar()
        self._epoch = 0
        """The topic's epoch in which the log was read to its end; 0 when it has to be read."""
        self._behind: float | None = asyncio.get_running_loop().time()
        """Since when there is a part of the log that it has yet to read; None once it has had all."""
        self._news = False
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    @property
    def task_id(self) -> str:
        return self.topic.task_id

    async def take(self, patience: float) -> Sequence[Frame]:
        """The frames behind the last one taken, in order; none after `patience` seconds of silence or once closed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        if self._hub.connected and not (self.topic.epoch or self.closed):
            await self._rest(min(patience, _CONFIRMATION_SECONDS))
        while not self.closed:
            self._news = False
            frames = self.topic.after(self._number) if self._certain else None
            if frames is None:
                frames = await self._read(deadline)
            if frames:
                self._last = frames[-1]
                self._number = self._last.number
                return frames
            left = deadline - loop.time()
            if left <= 0:
                self._epoch = 0
                break
            await self._rest(left if self._certain else min(left, POLL_SECONDS))
        return ()

    def wake(self) -> None:
        """There may be something new."""
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Leave. Takes effect at once and awaits nothing, so that it cannot be interrupted."""
        self.closed = True
        self.wake()
        self._hub.leave(self, self.topic)

    @property
    def resting(self) -> bool:
        """Whether it has everything there is, and waits."""
        return self._waiter is not None

    @property
    def _certain(self) -> bool:
        return self.topic.live and self._epoch == self.topic.epoch

    async def _read(self, deadline: float) -> Sequence[Frame]:
        # Only what is published after the confirmation arrives by itself: a read begun before it proves nothing.
        epoch = self.topic.epoch if self.topic.live else 0
        try:
            async with asyncio.timeout_at(deadline):
                frames, last = await self._hub.backlog.read(
                    self.topic.task_id, self._number, last=self._last, texts=self._texts
                )
        except AWAY:  # a timeout is one of them
            return ()
        self._epoch = epoch if last else 0
        if last and self._behind is not None:
            metrics.REPLAY_SECONDS.observe(asyncio.get_running_loop().time() - self._behind)
            self._behind = None
        if self._epoch:
            self._texts = TextSoFar()  # a client that follows live holds no text
        return frames

    async def _rest(self, seconds: float) -> None:
        """Return when woken, or when `seconds` have passed."""
        if self._news or self.closed:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None


class Hub:
    """All topics of this process, and the one connection that feeds them."""

    def __init__(self, redis: Redis) -> None:
        self.backlog = Backlog(redis)
        self.connected = False
        self._redis = redis
        self._topics: dict[bytes, Topic] = {}
        self._changed: set[bytes] = set()
        self._change = asyncio.Event()
        self._heard = 0.0
        self._closing = False

    def in_use(self) -> bool:
        """Whether any stream is open."""
        return bool(self._topics)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Hub"]:
        """The hub at work, for the time of the block."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._stay_connected(), name="hub")
            try:
                yield self
            finally:
                self.close()
                task.cancel()

    def open(self, task_id: str, *, after: int) -> Cursor:
        """A cursor that starts behind event number `after`. The caller closes it, whatever happens."""
        fresh = Topic(task_id)
        topic = self._topics.setdefault(fresh.channel, fresh)
        cursor = Cursor(self, topic, after)
        cursor.closed = self._closing
        topic.watchers.add(cursor)
        self._tell(topic)
        return cursor

    def leave(self, cursor: Cursor, topic: Topic) -> None:
        """Forget the cursor, and the topic with its last one; the connection's own task then unsubscribes."""
        if cursor not in topic.watchers:
            return
        topic.watchers.remove(cursor)
        if not topic.watchers:
            del self._topics[topic.channel]
            self._tell(topic)

    def close(self) -> None:
        """End all streams, those that open later too: their clients come back to another replica."""
        self._closing = True
        for topic in tuple(self._topics.values()):
            for watcher in tuple(topic.watchers):
                watcher.close()

    def _tell(self, topic: Topic) -> None:
        self._changed.add(topic.channel)
        self._change.set()

    async def _stay_connected(self) -> None:
        pauses = Pauses()
        while True:
            try:
                async with listener(self._redis) as connection, asyncio.TaskGroup() as group:
                    group.create_task(self._listen(connection), name="hub-listen")
                    group.create_task(self._speak(connection), name="hub-speak")
            except* AWAY as lost:
                metrics.REDIS_DISRUPTIONS.inc()
                log.warning("hub_disconnected", error=str(lost.exceptions[0]))
            except* Exception:
                log.exception("hub_failed")
            if self.connected:
                pauses = Pauses()
            self.connected = False
            for topic in self._topics.values():
                topic.lose()
            await pauses.wait()

    async def _listen(self, connection: Listener) -> None:
        """Hand each message to its topic."""
        loop = asyncio.get_running_loop()
        while True:
            push = await connection.read()
            self._heard = loop.time()
            self.connected = True
            topic = self._topics.get(push.channel)
            if topic is None:
                continue
            match push.kind:
                case b"message":
                    topic.add(frame(*events.split(push.payload)))
                case b"subscribe":
                    topic.confirm()
                case _:  # asked for when the last client had left; another has come since
                    topic.lose()
                    self._tell(topic)

    async def _speak(self, connection: Listener) -> None:
        """Keep the subscriptions in step with the topics, and see to it that the connection is alive."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._changed.update(self._topics)
        await connection.ping()
        while True:
            self._change.clear()
            changed, self._changed = self._changed, set()
            async with asyncio.timeout(DEAF_SECONDS):
                if gone := [name for name in changed if name not in self._topics]:
                    await connection.unsubscribe(gone)
                if new := [name for name in changed if name in self._topics and not self._topics[name].live]:
                    await connection.subscribe(new)
            silence = loop.time() - self._heard
            if silence > DEAF_SECONDS:
                raise ConnectionError(f"no sign of life for {silence:.0f} s")
            if silence > PING_SECONDS:
                await connection.ping()
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._change.wait()
            except TimeoutError:
                pass
