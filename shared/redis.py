"""Connections to Redis: one way to make them, one way to live through their loss.

`Redis` and what belongs to it name the commands that the mesh uses, with the types that they really have over a client
that answers bytes; the library's own annotations leave most of them open.
"""

import asyncio
import builtins
import math
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Protocol, Self, TypeVar, cast

import hiredis
import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.client import Pipeline as BarePipeline
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from shared import codec, metrics
from shared.address import make_pool
from shared.errors import SettingsError
from shared.pauses import Pauses
from shared.settings import BaseSettings

log = structlog.get_logger(__name__)

T = TypeVar("T")
Entries = list[tuple[bytes, dict[bytes, bytes]]]

AWAY = (ConnectionError, TimeoutError, OSError)
"""What Redis or the way to it raises when it cannot serve for a while."""

_UNWILLING = re.compile(r"(?:^|: -)(?:BUSY|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY)(?: |$)")
"""Replies that speak of Redis' own state and not of the command. From within a script, Redis 6 gives them with its
place in front."""

_SHARDED = re.compile(r"(?:^|: -)(?:ASK|CLUSTERDOWN|CROSSSLOT|MOVED|TRYAGAIN) ")
CLUSTER = ("it is a node of a Redis Cluster, which is not supported", "name a single server, or Sentinels")
"""What it is, and what to do."""

_NOTICE_DEATH = {
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 10_000,
}
"""A peer that no longer answers TCP is given up after about ten seconds, by the kernel. It does not see one that takes
what it is sent and never answers."""

ANSWER_SECONDS = 5.0
"""How long a Redis whose connection stands may take to answer. Behind a connection that is made anew it may be another:
the new master, after a failover of which the old one has told nobody."""
_LOOK_SECONDS = 0.2
"""How much of that is left, at least, to read what has come."""


class PubSub(Protocol):
    """A subscription on a connection of its own."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *reason: object) -> None: ...
    async def subscribe(self, *channels: str) -> None: ...
    async def unsubscribe(self, *channels: str) -> None: ...
    async def ping(self) -> None: ...
    async def get_message(
        self,
        ignore_subscribe_messages: bool = False,
        timeout: float | None = 0.0,  # noqa: ASYNC109 - the library's name
    ) -> dict[str, Any] | None: ...
    async def aclose(self) -> None: ...


class Pipeline(Protocol):
    """Commands that go out together."""

    def set(self, name: str, value: bytes, *, px: int | None = None) -> Self: ...
    def delete(self, *names: str) -> Self: ...
    def publish(self, channel: str, message: bytes) -> Self: ...
    def xadd(self, name: str, fields: Mapping[str, bytes], entry_id: str = "*") -> Self: ...
    def zrem(self, name: str, *members: str) -> Self: ...
    def hgetall(self, name: str) -> Self: ...
    def hmget(self, name: str, keys: Sequence[str]) -> Self: ...
    def xrange(self, name: str, low: str = "-", high: str = "+", count: int | None = None) -> Self: ...
    async def execute(self) -> list[Any]: ...


class Redis(Protocol):
    """The commands of a client."""

    def pipeline(self, transaction: bool = True) -> AbstractAsyncContextManager[Pipeline]: ...
    def pubsub(self, *, ignore_subscribe_messages: bool = False) -> PubSub: ...
    def register_script(self, script: bytes) -> Callable[..., Awaitable[Any]]: ...
    def scan_iter(self, match: str | None = None) -> AsyncIterator[bytes]: ...
    async def ping(self) -> bool: ...
    async def time(self) -> tuple[int, int]: ...
    async def info(self, section: str | None = None) -> dict[str, Any]: ...
    async def exists(self, *names: str) -> int: ...
    async def delete(self, *names: str) -> int: ...
    async def get(self, name: str) -> bytes | None: ...
    async def getex(self, name: str, *, px: int) -> bytes | None: ...
    async def mget(self, keys: Sequence[str]) -> list[bytes | None]: ...
    async def set(self, name: str, value: bytes, *, px: int | None = None, nx: bool = False) -> bool | None: ...
    async def hget(self, name: str, key: str) -> bytes | None: ...
    async def hgetall(self, name: str) -> dict[bytes, bytes]: ...
    async def publish(self, channel: str, message: bytes) -> int: ...
    async def xlen(self, name: str) -> int: ...
    async def xadd(self, name: str, fields: Mapping[str, bytes], entry_id: str = "*") -> bytes: ...
    async def xrange(self, name: str, low: str = "-", high: str = "+", count: int | None = None) -> Entries: ...
    async def scard(self, name: str) -> int: ...
    async def zadd(self, name: str, mapping: Mapping[str, float]) -> int: ...
    async def zcard(self, name: str) -> int: ...
    async def zrange(self, name: str, start: int, end: int) -> list[bytes]: ...
    async def zscore(self, name: str, value: bytes) -> float | None: ...
    async def zrem(self, name: str, *members: bytes) -> int: ...
    async def zrevrangebyscore(
        self, name: str, high: float | str, low: float | str, *, start: int, num: int, withscores: Literal[True]
    ) -> list[tuple[bytes, float]]: ...
    async def zrangebyscore(
        self, name: str, low: float | str, high: float | str, start: int | None = None, num: int | None = None
    ) -> list[bytes]: ...


class Unwilling(ConnectionError):
    """Redis is there, but cannot serve for a while: it is out of memory or disk, read-only, or loads its data."""


class Sharded(ResponseError, SettingsError):
    """Redis is a node of a cluster. No waiting helps."""

    def __init__(self) -> None:
        super().__init__(f"REDIS_URL: {CLUSTER[0]}: {CLUSTER[1]}")


class _Parser(DefaultParser):  # pyright: ignore[reportGeneralTypeIssues, reportUntypedBaseClass] - chosen at run time
    """Tells replies by which Redis refuses everything from those by which it refuses one command. A connection that had
    such a reply is given up, as the library does with any `ConnectionError`: a new one may find the new master."""

    @classmethod
    def parse_error(cls, response: str) -> Exception:
        if _UNWILLING.search(response):
            return Unwilling(response)
        if _SHARDED.search(response):
            return Sharded()
        return cast("Exception", super().parse_error(response))  # pyright: ignore[reportUnknownMemberType]

    async def can_read_destructive(self) -> bool:
        """Whether something has come that nobody has asked for, the server's goodbye for instance. Asked before each
        command; the library finds out by a read that it cancels at once, which is a tenth of a command's cost."""
        stream = cast("Any", self._stream)  # pyright: ignore[reportUnknownMemberType]
        reader = cast("hiredis.Reader", self._reader)  # pyright: ignore[reportUnknownMemberType]
        waiting = stream._buffer or reader.has_data()  # noqa: SLF001 - asyncio offers no other look at it
        return bool(waiting) or stream.at_eof() or stream.exception() is not None


async def _greet(connection: AbstractConnection) -> None:
    """Sends what a new connection begins with, and asks for the server's health only afterwards. The library asks after
    the first word, and connects anew, from within itself, when no answer comes: to a peer that takes connections and
    drops them, a proxy whose server has gone for instance, it would do so until the stack overflows."""
    connection.next_health_check = math.inf
    await connection.on_connect()


def open_pool(settings: BaseSettings, *, name: str) -> ConnectionPool:
    """A pool from the settings, not connected yet. Raises `SettingsError` for an address that cannot be."""
    options: dict[str, Any] = {
        "client_name": name,
        "parser_class": _Parser,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        "socket_keepalive_options": _NOTICE_DEATH,
        "health_check_interval": 15,
        "redis_connect_func": _greet,
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.02), 3),
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    return make_pool(settings, options)


class _Client(ArqRedis):
    """arq's client, but no command waits for its answer for longer than `ANSWER_SECONDS`. What blocks in Redis (BLPOP,
    XREAD BLOCK, WAIT) must not be asked of it. The connection on which no answer came is given up."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        call = super().execute_command(*args, **options)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return await answered(cast("Awaitable[Any]", call))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> BarePipeline:
        pool = cast("ConnectionPool", self.connection_pool)
        return _Pipeline(pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(BarePipeline):
    """Commands that are answered together, in the same time."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        return await answered(super().execute(raise_on_error))


def client(pool: ConnectionPool) -> Redis:
    """A client over `pool`. It is arq's, with msgpack payloads, so that a worker can give it to arq."""
    return cast("Redis", _Client(pool, job_serializer=codec.pack, job_deserializer=codec.unpack))


@asynccontextmanager
async def connected(settings: BaseSettings, *, name: str) -> AsyncGenerator[Redis]:
    """A client for the time of the block. It connects at its first command."""
    pool = open_pool(settings, name=name)
    try:
        yield client(pool)
    finally:
        await pool.aclose()


async def ask_for_life(redis: Redis) -> None:
    """Returns when Redis answers, raises one of `AWAY` when it does not within `ANSWER_SECONDS`."""
    await answered(redis.ping())


async def answered(call: Awaitable[T]) -> T:
    """What `call` returns; raises one of `AWAY` when it does not within `ANSWER_SECONDS`.

    A process that itself stood still for so long finds its timers due before it has read what has come meanwhile. So
    the deadline is set only shortly before: an answer that is there counts."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            nearly = loop.call_later(
                ANSWER_SECONDS - _LOOK_SECONDS, lambda: limit.reschedule(loop.time() + _LOOK_SECONDS)
            )
            try:
                return await call
            finally:
                nearly.cancel()
    except builtins.TimeoutError as error:
        raise TimeoutError("Redis does not answer") from error


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
