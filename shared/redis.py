"""Connections to Redis: one way to make them, one way to live through their loss."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError

from shared import codec, metrics
from shared.errors import SettingsError
from shared.settings import BaseSettings

log = structlog.get_logger(__name__)

T = TypeVar("T")

AWAY = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)
"""What Redis or the way to it raises when it cannot serve for a while."""

LONGEST_PAUSE_SECONDS = 2.0


class Redis(ArqRedis):
    """A client that arq accepts as its own. Its commands answer bytes."""


def open_pool(settings: BaseSettings, *, name: str) -> ConnectionPool:
    """A pool from the settings, not connected yet. Raises `SettingsError` when the URL is not one."""
    options: dict[str, object] = {
        "client_name": name,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.02), 3),
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    url = settings.redis_url
    if settings.redis_host:
        scheme = "rediss" if settings.redis_tls else "redis"
        url = f"{scheme}://{settings.redis_host}:{settings.redis_port}/0"
        options["username"] = settings.redis_username or None
        options["password"] = settings.redis_password or None
    try:
        return ConnectionPool.from_url(url, **options)
    except ValueError as error:
        raise SettingsError(
            "REDIS_URL: it must look like redis://user:password@host:6379/0 (rediss:// for TLS)"
        ) from error


def client(pool: ConnectionPool) -> Redis:
    """A client over `pool`, with arq's payloads as msgpack."""
    return Redis(pool, job_serializer=codec.pack, job_deserializer=codec.unpack)


@asynccontextmanager
async def connected(settings: BaseSettings, *, name: str) -> AsyncIterator[Redis]:
    """A client for the time of the block. It connects at its first command."""
    pool = open_pool(settings, name=name)
    try:
        yield client(pool)
    finally:
        await pool.aclose()


class Pauses:
    """Waits longer each time, up to `LONGEST_PAUSE_SECONDS`, with jitter so that many clients do not come at once."""

    def __init__(self) -> None:
        self._next = 0.05

    async def wait(self) -> None:
        await asyncio.sleep(self._next * random.uniform(0.5, 1.0))
        self._next = min(self._next * 2, LONGEST_PAUSE_SECONDS)


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """What `call` returns, tried again for as long as Redis is away. `call` must be safe to repeat."""
    pauses = Pauses()
    while True:
        try:
            return await call()
        except AWAY as error:
            metrics.REDIS_DISRUPTIONS.inc()
            log.warning("redis_away", error=str(error))
            await pauses.wait()
