"""Where Redis is, and who we are there: the one place that turns settings into a pool of connections.

Every connection of every process comes from such a pool, pub/sub included, so user, password and TLS count for all of
them. With Sentinel, each new connection asks where the master is: after a failover a connection that was lost, or that
was told READONLY, is followed by one to the new master.
"""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Connection, ConnectionPool, Sentinel, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import RedisError

from shared.errors import SettingsError
from shared.settings import BaseSettings

SENTINEL_SECONDS = 1.0
"""How long a Sentinel may keep silent before the next one is asked."""
_SENTINEL_PORT = 26379

_BAD_URL = (
    "REDIS_URL: it must look like redis://user:password@host:6379/0 (rediss:// for TLS). Write what is special in a "
    "password as %XX, or set REDIS_HOST and REDIS_PASSWORD instead"
)
_BAD_SENTINELS = "REDIS_SENTINELS: it must look like host:26379,other:26379"


class _TLSConnection(SSLConnection):
    """Reads the certificates anew whenever it connects: they may have been replaced since, for they are short-lived.
    The library would keep those with which the connection was made."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        self.ssl_context.context = None
        return cast("Any", super())._connection_arguments()  # noqa: SLF001 - what the library calls at each attempt


class _MasterConnection(SentinelManagedConnection):
    """Asks once where the master is; who has lost the connection tries again, and asks again. The library repeats both
    within each other, sixteen attempts at a master that is dead."""

    async def connect(self) -> None:
        await cast("Any", self)._connect_retry()  # noqa: SLF001 - what the library's own `connect` repeats


class _MasterTLSConnection(_MasterConnection, SentinelManagedSSLConnection, _TLSConnection):
    """The same over TLS."""


class _MasterPool(SentinelConnectionPool):
    """Closes the connections to the Sentinels with its own."""

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in cast("Any", self).sentinel_manager.sentinels:
            await sentinel.aclose()


def make_pool(settings: BaseSettings, options: Mapping[str, Any]) -> ConnectionPool:
    """A pool of connections with `options` to where `settings` say, not connected yet. Raises `SettingsError`, which
    never holds what was in the URL: a password that is not written as it should be may be in any part of it."""
    if settings.redis_sentinels:
        pool = _sentinel_pool(settings, options)
    elif settings.redis_host:
        host = {"host": settings.redis_host, "port": settings.redis_port, "db": 0}
        kind = _TLSConnection if settings.redis_tls else Connection
        pool = ConnectionPool(kind, **host, **_identity(settings), **_tls(settings, settings.redis_tls), **options)
    else:
        pool = _url_pool(settings, options)
    return pool


def _url_pool(settings: BaseSettings, options: Mapping[str, Any]) -> ConnectionPool:
    url = settings.redis_url
    try:
        parts = urlsplit(url)
        local, query = parts.scheme == "unix", parse_qs(parts.query)
        whole = local or (parts.hostname and re.fullmatch(r"(/\d*)?", parts.path) and parts.port != 0)
        if not whole or re.search(r"[\s#]", url):
            raise SettingsError(_BAD_URL)
        if parts.scheme == "rediss" and "ssl_cert_reqs" not in query:
            options = {**_tls(settings, True), **options}
        pool = ConnectionPool.from_url(url, **options)  # pyright: ignore[reportUnknownMemberType] - its options are untyped
        if pool.connection_class is SSLConnection:
            pool.connection_class = _TLSConnection
        pool.make_connection()  # says what it does not know of the URL's own options
    except (RedisError, TypeError, ValueError):
        raise SettingsError(_BAD_URL) from None
    return pool


def _sentinel_pool(settings: BaseSettings, options: Mapping[str, Any]) -> ConnectionPool:
    to_sentinel = {
        "username": settings.redis_sentinel_username or None,
        "password": settings.redis_sentinel_password or None,
        "ssl": settings.redis_sentinel_tls,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        **_tls(settings, settings.redis_sentinel_tls),
    }
    sentinels = [_place(place.strip()) for place in settings.redis_sentinels.split(",") if place.strip()]
    if not sentinels:
        raise SettingsError(_BAD_SENTINELS)
    manager = Sentinel(sentinels, sentinel_kwargs=to_sentinel)
    if settings.redis_sentinel_tls:
        for sentinel in cast("Any", manager).sentinels:
            sentinel.connection_pool.connection_class = _TLSConnection
    return _MasterPool(
        settings.redis_sentinel_master,
        manager,
        connection_class=_MasterTLSConnection if settings.redis_tls else _MasterConnection,
        db=0,
        **_identity(settings),
        **_tls(settings, settings.redis_tls),
        **options,
    )


def _place(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and not (parts.username or parts.path or parts.query or parts.fragment):
            return parts.hostname, parts.port or _SENTINEL_PORT
    except ValueError:  # the port is no number
        pass
    raise SettingsError(_BAD_SENTINELS) from None


def _identity(settings: BaseSettings) -> dict[str, Any]:
    return {"username": settings.redis_username or None, "password": settings.redis_password or None}


def _tls(settings: BaseSettings, wanted: bool) -> dict[str, Any]:
    """A certificate must be for the name that was asked for; the library by itself takes anybody's."""
    if not wanted:
        return {}
    files = {
        "ssl_ca_certs": settings.redis_tls_ca_file,
        "ssl_certfile": settings.redis_tls_cert_file,
        "ssl_keyfile": settings.redis_tls_key_file,
    }
    return {"ssl_check_hostname": True, **{option: str(path) for option, path in files.items() if path}}
