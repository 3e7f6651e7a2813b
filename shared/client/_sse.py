"""Server-sent events as a client reads them."""

from typing import NamedTuple


class Message(NamedTuple):
    """One event. `id` is empty for one that is not kept on the server."""

    id: str
    data: bytes


class Parser:
    """Takes a stream apart as its bytes arrive. Lines end with a newline and nothing else, so that any text comes
    through as it was sent."""

    def __init__(self) -> None:
        self.alive = False
        """Whether the stream has said anything but how to reconnect."""
        self.retry_seconds: float | None = None
        """How long the server wants a client to wait before it comes back."""
        self._buffer = bytearray()
        self._searched = 0
        self._data: list[bytes] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """The events that `chunk` completes."""
        self._buffer += chunk
        complete: list[Message] = []
        start = 0
        while (end := self._buffer.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(self._buffer[start:end]).removesuffix(b"\r")
            start = end + 1
            if line:
                self._take(line)
            else:
                if self._data:
                    complete.append(Message(self._id, b"\n".join(self._data)))
                self._data, self._id = [], ""
        del self._buffer[:start]
        self._searched = len(self._buffer)
        return complete

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"id":
                self._id = value.decode("ascii", "replace")
            case b"retry" if value.isdigit():
                self.retry_seconds = int(value) / 1000
                return
            case b"" if value == b"ping":
                pass
            case _:  # another comment, or a field of the future
                return
        self.alive = True
