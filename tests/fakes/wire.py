"""HTTP by hand, for what no well-behaved client would send."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.gateway.app import Server


class Wire:
    """A bare connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write it, and wait while the other side does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer that says how long it is."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body

    async def until_closed(self) -> bytes:
        """Whatever else comes before the other side closes."""
        try:
            return await self._reader.read()
        except ConnectionResetError:
            return b""


@asynccontextmanager
async def wire_to(server: Server) -> AsyncGenerator[Wire]:
    """A connection for the time of the block; nothing on it may take longer than ten seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.config.port)
    try:
        async with asyncio.timeout(10):
            yield Wire(reader, writer)
    finally:
        writer.transport.abort()
