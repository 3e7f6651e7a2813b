"""A proxy as they stand in front of services: it collects an answer before it passes it on, unless the answer says not
to, and cuts a connection on which nothing is sent for a while."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Proxy:
    """Passes HTTP/1.1 on to `upstream`, a port on loopback. `cut` counts the connections that it has given up."""

    def __init__(self, upstream: int, *, idle_seconds: float) -> None:
        self.cut = 0
        self._upstream = upstream
        self._idle_seconds = idle_seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with one request."""
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            upstream_writer.write(await reader.readuntil(b"\r\n\r\n"))
            await self._answer(upstream_reader, writer)
        except TimeoutError:
            self.cut += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            upstream_writer.close()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        at_once = b"x-accel-buffering: no" in head.lower()
        length = re.search(rb"content-length: (\d+)", head.lower())
        kept = head
        while True:
            if at_once:
                writer.write(kept)
                await writer.drain()
                kept = b""
            async with asyncio.timeout(self._idle_seconds):
                data = await reader.read(65_536)
            kept += data
            if not data or (length and len(kept) == len(head) + int(length[1])):
                break
        writer.write(kept)
        await writer.drain()


@asynccontextmanager
async def proxied(upstream: int, *, idle_seconds: float = 60.0) -> AsyncGenerator[tuple[Proxy, int]]:
    """The proxy, and the port on which it listens."""
    proxy = Proxy(upstream, idle_seconds=idle_seconds)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield proxy, server.sockets[0].getsockname()[1]
