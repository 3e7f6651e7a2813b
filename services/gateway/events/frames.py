"""Server-sent events as bytes. A frame is encoded once and goes to every client that watches its task."""

import re
from typing import NamedTuple

from shared import events

OPEN = b": open\n\n"
"""A comment that is sent at once: some proxies keep back the headers until something comes behind them."""
PING = b": ping\n\n"
"""A comment: it keeps the connection open, and a browser's `onmessage` does not see it."""

PIECE_BYTES = 1 << 16
"""How much a client is sent at a time: what one that reads slowly holds in memory, unless a single event is larger."""

_POSITION = re.compile(r"([0-9]{1,15})(?:-[0-9]+)?")


class Frame(NamedTuple):
    """One event of a task as it goes over the wire. One with the number 0 is not in the log and has no id."""

    number: int
    data: bytes
    terminal: bool

    @property
    def event(self) -> bytes:
        """The JSON inside."""
        return self.data[self.data.index(b"data: ") + 6 : -2]


def frame(number: int, event: bytes) -> Frame:
    """The frame for event `number`; its JSON is on one line. Without `event:`, so that `onmessage` sees it."""
    head = b"id: %d-0\n" % number if number else b""
    return Frame(number, head + b"data: " + event + b"\n\n", events.is_terminal(event))


def retry(milliseconds: int) -> bytes:
    """Tells an `EventSource` how long to wait before it comes back. It goes in front of an event or ends a stream: by
    itself some clients, httpx-sse for one, take it for an event without data."""
    return b"retry: %d\n" % milliseconds


def position(last_event_id: str | None) -> int:
    """The number that a `Last-Event-ID` names: 7 for `7-0` and `7`; 0, the start, for all else a client may send."""
    match = _POSITION.fullmatch((last_event_id or "").strip())
    return int(match[1]) if match else 0
