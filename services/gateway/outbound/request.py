"""One HTTP request to an address that has been checked. There are no redirects, no proxies and no kept connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import httptools

from services.gateway.outbound.addresses import Guard, Target

_PIECE_BYTES = 1 << 16
_HEAD_BYTES = 64 << 10
_CONNECT_SECONDS = 10.0


class Unreachable(Exception):
    """There was no answer. `code` says why: `unresolved`, `unconnected`, `timeout`, `bad_answer`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Answer:
    """An answer whose head has come. Redirects are answers like any other."""

    def __init__(self, reader: asyncio.StreamReader, *, silence_seconds: float) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._reader = reader
        self._silence_seconds = silence_seconds
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._headed = self._ended = False
        self._framed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises `Unreachable` when it breaks off or stands still."""
        while True:
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
            if self._ended:
                return
            await self._read()

    async def head(self) -> None:
        """Wait for the head."""
        taken = 0
        while not self._headed:
            taken += await self._read()
            if taken > _HEAD_BYTES and not self._headed:
                raise Unreachable("bad_answer")

    async def _read(self) -> int:
        try:
            async with asyncio.timeout(self._silence_seconds):
                data = await self._reader.read(_PIECE_BYTES)
        except TimeoutError as error:
            raise Unreachable("timeout") from error
        except OSError as error:
            raise Unreachable("bad_answer") from error
        if not data:
            if not self._headed or self._framed:
                raise Unreachable("bad_answer")
            self._ended = True
            return 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Unreachable("bad_answer") from error
        return len(data)

    # What follows is called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self.headers[key] = value.decode("latin-1")
        self._framed = self._framed or key in {"content-length", "transfer-encoding"}

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._ended = self._headed


@asynccontextmanager
async def request(
    guard: Guard,
    target: Target,
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    silence_seconds: float,
) -> AsyncGenerator[Answer]:
    """The answer to a request, for the time of the block. `silence_seconds` is how long the other side may say nothing.
    Raises `Refused` and `Unreachable`."""
    try:
        addresses = await guard.resolve(target)
    except OSError as error:
        raise Unreachable("unresolved") from error
    reader, writer = await _connect(guard, target, addresses)
    try:
        writer.write(_head(target, method, {**headers, "content-length": str(len(body))} if body else headers) + body)
        answer = Answer(reader, silence_seconds=silence_seconds)
        await answer.head()
        yield answer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _connect(
    guard: Guard, target: Target, addresses: Sequence[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first of the addresses that takes one, over TLS to whoever proves to be the host."""
    tls, name = (guard.tls(), target.host) if target.scheme == "https" else (None, None)
    failure: Exception | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS / len(addresses)):
                return await asyncio.open_connection(address, target.port, ssl=tls, server_hostname=name)
        except (OSError, TimeoutError) as error:  # what TLS finds wrong is an OSError, too
            failure = error
    raise Unreachable("unconnected") from failure


def _head(target: Target, method: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target.path} HTTP/1.1", f"host: {target.authority}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
