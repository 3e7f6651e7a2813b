"""One Redis connection that listens to channels. What redis-py leaves untyped is kept in here.

Its own `PubSub` reconnects inside its methods, unseen; the hub has to know when that happens, because messages are
then missing. So this is the bare connection: it fails, and the hub starts anew.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

from redis.asyncio import Redis as Client
from redis.asyncio.connection import AbstractConnection

from shared.redis import Redis

_BATCH = 512


class Push(NamedTuple):
    """What Redis sends: `kind` is message, subscribe, unsubscribe or pong."""

    kind: bytes
    channel: bytes = b""
    payload: bytes = b""


class Listener:
    """Any method raises what `shared.redis.AWAY` lists when the connection is lost. Reading and sending may
    overlap."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def subscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for channels. A `subscribe` push confirms each, also one that was asked for before."""
        await self._send(b"SUBSCRIBE", channels)

    async def unsubscribe(self, channels: Iterable[bytes]) -> None:
        await self._send(b"UNSUBSCRIBE", channels)

    async def ping(self) -> None:
        """Ask for a `pong` push."""
        await self._connection.send_command("PING", check_health=False)

    async def read(self) -> Push:
        """The next push; waits for it."""
        reply = cast("list[bytes] | bytes", await self._connection.read_response(disable_decoding=True))
        if isinstance(reply, bytes):  # outside of a subscription Redis answers a ping with a plain PONG
            return Push(b"pong")
        kind, channel, *rest = reply
        return Push(kind, channel, rest[0] if kind == b"message" else b"")

    async def _send(self, command: bytes, channels: Iterable[bytes]) -> None:
        names = tuple(channels)
        for start in range(0, len(names), _BATCH):
            await self._connection.send_command(command, *names[start : start + _BATCH], check_health=False)


@asynccontextmanager
async def listener(redis: Redis) -> AsyncGenerator[Listener]:
    """A connection of its own beside the pool of `redis`, made with the same settings."""
    pool = cast("Client", redis).connection_pool
    connection = cast("AbstractConnection", pool.make_connection())
    try:
        await connection.connect()
        connection.socket_timeout = None  # a silent channel is no fault; the hub pings
        yield Listener(connection)
    finally:
        await connection.disconnect(nowait=True)
