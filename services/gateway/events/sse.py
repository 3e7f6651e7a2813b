"""Server-sent events: the life of one stream."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from litestar.types import Receive, Scope, Send

from services.gateway.events import frames
from services.gateway.events.frames import Frame
from shared import metrics

RETRY_MILLISECONDS = 2_000
"""When a client whose connection breaks comes back."""
RETURN_MILLISECONDS = (1_000, 4_000)
"""When the clients of a gateway that stops come back: not all at once."""

Stamp = Callable[[str, Frame], bytes]

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class Place(Protocol):
    """One client's place in the events of a task: the hub's `Cursor`, or a `Poll`."""

    @property
    def task_id(self) -> str: ...

    @property
    def closed(self) -> bool: ...

    async def take(self, patience: float) -> Sequence[Frame]:
        """The frames behind the last one taken, in order; none after `patience` seconds of silence or once closed."""
        ...

    def close(self) -> None:
        """Leave. Takes effect at once and awaits nothing, so that it cannot be interrupted."""
        ...


class Source(Protocol):
    """Where a stream has its events from."""

    def open(self, task_id: str, *, after: int) -> Place:
        """A place behind event number `after`. The caller closes it, whatever happens."""
        ...


class EventStream:
    """The response that is a stream of the events of one task or of several, as an ASGI application.

    It is no generator: everything happens in the coroutines that serve the request, so their `finally` runs when the
    client leaves, when the tasks end and when the server stops, and nothing is left to the garbage collector. A client
    that reads slowly holds up its own stream and nothing else, and costs no more memory than a quick one.
    """

    def __init__(
        self,
        source: Source,
        after: Mapping[str, int],
        *,
        ping_seconds: float,
        headers: Mapping[str, str] | None = None,
        first: bytes = b"",
        stamp: Stamp | None = None,
        cut: bytes | None = None,
    ) -> None:
        """`after` is the number of the last event that the client has had, by task. `first` is sent before all else.
        `stamp` makes the bytes of a frame of a task, its own by default; `cut` is what a stream ends with whose task
        goes on, by default when to come back."""
        self._source = source
        self._after = after
        self._ping_seconds = ping_seconds
        self._headers = headers or {}
        self._first = first
        self._stamp = stamp
        self._cut = cut
        self._open = len(after)
        self._begun = False
        self._turn = asyncio.Lock()
        self._ping_due = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        cursors = [self._source.open(task_id, after=number) for task_id, number in self._after.items()]
        metrics.OPEN_STREAMS.inc()
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(close_when_gone(receive, cursors), name="stream-disconnect")
                await _start(send, self._headers)
                await _send(send, frames.OPEN)
                if self._first:
                    await _send(send, self._with_retry(self._first), more=self._open > 0)
                # Whoever come together, after a restart for instance, are not pinged together ever after.
                self._ping_due = asyncio.get_running_loop().time() + random.uniform(0.5, 1.0) * self._ping_seconds
                await self._serve(cursors, send)
                watch.cancel()
        finally:
            metrics.OPEN_STREAMS.dec()
            for cursor in cursors:
                cursor.close()

    async def _serve(self, cursors: Sequence[Place], send: Send) -> None:
        if len(cursors) == 1:
            await self._follow(cursors[0], send)
        else:
            async with asyncio.TaskGroup() as group:
                for cursor in cursors:
                    group.create_task(self._follow(cursor, send), name="stream-follow")
        if self._open:  # the tasks go on, and the client finds them elsewhere
            cut = frames.retry(random.randint(*RETURN_MILLISECONDS)) if self._cut is None else self._cut
            await _send(send, cut, more=False)

    async def _follow(self, cursor: Place, send: Send) -> None:
        """Send what comes of one task until its last event is sent or the cursor is closed."""
        clock = asyncio.get_running_loop()
        ended = False
        while not (ended or cursor.closed):
            taken = await cursor.take(max(self._ping_due - clock.time(), 0.0))
            async with self._turn:
                if taken:
                    ended = taken[-1].terminal
                    self._open -= ended
                    await _send(send, self._bytes_of(cursor.task_id, taken), more=self._open > 0)
                    metrics.EVENTS_SENT.inc(len(taken))
                elif cursor.closed or clock.time() < self._ping_due:  # another task of this stream was heard of
                    continue
                else:
                    await _send(send, frames.PING)
                self._ping_due = clock.time() + self._ping_seconds

    def _bytes_of(self, task_id: str, taken: Sequence[Frame]) -> bytes:
        if self._stamp is None:
            return self._with_retry(b"".join(frame.data for frame in taken))
        return self._with_retry(b"".join(self._stamp(task_id, frame) for frame in taken))

    def _with_retry(self, events: bytes) -> bytes:
        if self._begun or not events:
            return events
        self._begun = True
        return frames.retry(RETRY_MILLISECONDS) + events


async def nothing_more(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
    """204: the one answer upon which an `EventSource` does not come back."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def close_when_gone(receive: Receive, cursors: Sequence[Place]) -> None:
    """Ends the stream when the client has left. Nothing needs to be cancelled: a send to nobody returns at once."""
    while (await receive())["type"] != "http.disconnect":
        pass
    for cursor in cursors:
        cursor.close()


async def _start(send: Send, headers: Mapping[str, str]) -> None:
    encoded = [(name.lower().encode(), value.encode()) for name, value in (_HEADERS | dict(headers)).items()]
    await send({"type": "http.response.start", "status": 200, "headers": encoded})


async def _send(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})
