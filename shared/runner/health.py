"""`/health/…` and `/metrics` of a worker: a small HTTP server for probes and scrapes.

Live means that the event loop turns: inference runs on another thread and does not disturb it. Started means that the
models are loaded, Redis or not: a worker that waits for Redis needs no restart. Ready means that Redis answers, too;
what makes it unfit to keep tasks is told beside it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.fitness import Fitness
from shared.redis import AWAY, Redis, ask_for_life

_LOADING = "the models are being loaded"


class Health:
    """What the probes report. The worker sets `ready` once its models are warm."""

    def __init__(self, redis: Redis, fitness: Fitness) -> None:
        self._redis = redis
        self._fitness = fitness
        self.ready = False

    async def answer(self, path: str) -> tuple[str, str, bytes]:
        """Status line, content type and body for a GET of `path`."""
        match path:
            case "/health/live":
                return "200 OK", "text/plain", b"live\n"
            case "/health/started":
                return _verdict(None if self.ready else _LOADING, b"started\n")
            case "/health/ready":
                return _verdict(await self._why_not_ready(), b"ready\n" + self._fitness.text().encode())
            case "/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, generate_latest()
            case _:
                return "404 Not Found", "text/plain", b"try /health/live, /health/started, /health/ready or /metrics\n"

    async def _why_not_ready(self) -> str | None:
        if not self.ready:
            return _LOADING
        try:
            await ask_for_life(self._redis)
        except AWAY:
            return "redis does not answer"
        return None


def _verdict(reason: str | None, fine: bytes) -> tuple[str, str, bytes]:
    if reason is None:
        return "200 OK", "text/plain", fine
    return "503 Service Unavailable", "text/plain", reason.encode() + b"\n"


@asynccontextmanager
async def serve_health(port: int, redis: Redis, fitness: Fitness) -> AsyncGenerator[Health]:
    """Serves the probes on `port` for the time of the block; on none when it is 0."""
    health = Health(redis, fitness)
    if not port:
        yield health
        return

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                request = await reader.readline()
                while (await reader.readline()).strip():
                    pass
            words = request.decode("latin-1").split()
            status, kind, body = await health.answer(words[1].partition("?")[0] if len(words) > 1 else "")
            head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "0.0.0.0", port)  # noqa: S104 - probes come from outside the container
    async with server:
        yield health
