"""A gateway served over HTTP on a free port, in the process of the test."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec

from services.gateway.app import Server
from services.gateway.settings import Settings
from tests.conftest import free_port, wait_until


async def until_ready(client: httpx.AsyncClient) -> None:
    """Returns when the gateway takes requests."""

    async def ready() -> bool:
        try:
            return (await client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await wait_until(ready, description="the gateway is ready")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[Server]:
    """A gateway with these settings; it stops behind the block as on SIGTERM."""
    server = Server(msgspec.structs.replace(settings, port=free_port()))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(), name="gateway")
        try:
            await wait_until(lambda: server.started, description="the gateway listens")
            yield server
        finally:
            server.should_exit = True


def client_of(server: Server) -> httpx.AsyncClient:
    """A client that knows where the gateway is."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.config.port}", timeout=20, trust_env=False)


@asynccontextmanager
async def served(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway of its own."""
    async with serving(settings) as server, client_of(server) as client:
        yield client


async def blocks(response: httpx.Response) -> AsyncIterator[bytes]:
    """The pieces of a stream that end with an empty line, as they are on the wire, and the hint that may end it."""
    buffer = b""
    async for chunk in response.aiter_raw():
        *whole, buffer = (buffer + chunk).split(b"\n\n")
        for block in whole:
            yield block
    if buffer:
        assert buffer.startswith(b"retry: "), "the stream was cut"
        yield buffer.rstrip()


async def frames(response: httpx.Response) -> AsyncIterator[tuple[str, bytes]]:
    """The events of a stream: id and JSON."""
    async for block in blocks(response):
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        if b"data" in fields:
            yield fields.get(b"id", b"").decode(), fields[b"data"]


async def watched(client: httpx.AsyncClient, path: str, **headers: str) -> list[tuple[str, bytes]]:
    """All events of a stream that ends."""
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        return [frame async for frame in frames(response)]
