"""A relay for TCP connections, between services and what they depend on: it can be cut, and it can fall silent."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes each connection on to the next of `upstreams`, ports on loopback, that answers."""

    def __init__(self, *upstreams: int, mark: bytes = b"") -> None:
        self.port = 0
        self.connections = 0
        """How many have been made."""
        self.marked = 0
        """How many pieces of what clients have sent held `mark`."""
        self._upstreams = list(upstreams)
        self._mark = mark
        self._writers: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._open = True
        self._one_at_a_time = asyncio.Lock()
        self._disturbed_since: float | None = None
        self._disturbed_seconds = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def cut(self, seconds: float) -> None:
        """All connections break, and new ones are refused, for so long."""
        async with self._disturbed():
            self._open = False
            self.drop()
            await asyncio.sleep(seconds)
            self._open = True

    async def fall_silent(self, seconds: float) -> None:
        """Connections stay, and nothing passes for so long. What was sent meanwhile arrives late, even from somebody
        who waits for it no longer."""
        async with self._disturbed():
            self._flowing.clear()
            await asyncio.sleep(seconds)
            self._flowing.set()

    def clock(self) -> float:
        """Seconds, as of a clock that stands while nothing passes."""
        return (self._disturbed_since or time.monotonic()) - self._disturbed_seconds

    @asynccontextmanager
    async def _disturbed(self) -> AsyncGenerator[None]:
        """One disturbance at a time; another one follows."""
        async with self._one_at_a_time:
            self._disturbed_since = start = time.monotonic()
            try:
                yield
            finally:
                self._disturbed_since = None
                self._disturbed_seconds += time.monotonic() - start

    def swallow(self) -> None:
        """From now on nothing arrives over the connections that stand, and none of them is closed. New ones work."""
        self._deaf |= self._writers

    def drop(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer), name="relay")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        await task

    async def end(self) -> None:
        """Returns when no connection is left."""
        self.drop()
        self._flowing.set()
        await asyncio.gather(*self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connected() if self._open else None
        if upstream is None:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = upstream
        self._writers |= {writer, upstream_writer}
        try:
            await asyncio.gather(
                self._pass_on(reader, upstream_writer, mark=self._mark), self._pass_on(upstream_reader, writer)
            )
        finally:
            self._writers -= {writer, upstream_writer}
            self._deaf -= {writer, upstream_writer}

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self._upstreams)):
            self._upstreams.append(self._upstreams.pop(0))
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._upstreams[-1])
        return None

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, mark: bytes = b"") -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.marked += bool(mark) and mark in data
                await self._flowing.wait()
                if writer not in self._deaf:
                    writer.write(data)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def relayed(*upstreams: int, mark: bytes = b"") -> AsyncGenerator[Relay]:
    """A relay for the time of the block, listening on its `port`."""
    relay = Relay(*upstreams, mark=mark)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    async with server:
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            await relay.end()
