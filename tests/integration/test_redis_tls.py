"""The way to Redis over real TLS: certificates on both sides, by URL, by host and through Sentinels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError
from shared.redis import AWAY, connected
from shared.settings import BaseSettings, load
from tests.conftest import free_port
from tests.fakes.authority import Authority, Certificate
from tests.fakes.parts import listen_to_the_end, parts, try_the_others
from tests.fakes.secure_redis import SecureRedis, SecureSentinel
from tests.fakes.sentinel import MASTER, SENTINEL_PASSWORD, SENTINEL_USER
from tests.fetching import Unavailable, leave_out

USER, PASSWORD = "mesh", "p@ss/w#rd"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom both sides trust."""
    try:
        return Authority(tmp_path_factory.mktemp("authority"))
    except Unavailable as error:
        leave_out(error)


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Certificate:
    """The certificate of the mesh, a client."""
    return authority.sign("mesh")


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[SecureRedis]:
    """A Redis that asks for a certificate. The Sentinel comes as somebody else than the mesh."""
    certificate = authority.sign("redis", "IP:127.0.0.1")
    options = ("--user", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
    try:
        server = SecureRedis(tmp_path, port=free_port(), authority=authority, certificate=certificate, options=options)
    except Unavailable as error:
        leave_out(error)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sentinel(tmp_path: Path, authority: Authority, server: SecureRedis) -> Iterator[SecureSentinel]:
    """A Sentinel that knows where that Redis is."""
    certificate = authority.sign("sentinel", "IP:127.0.0.1")
    sentinel = SecureSentinel(
        tmp_path, port=free_port(), master_port=server.port, authority=authority, certificate=certificate
    )
    sentinel.start()
    yield sentinel
    sentinel.stop()


def _settings(server: SecureRedis, authority: Authority, ours: Certificate | None, **others: Any) -> BaseSettings:
    given: dict[str, Any] = {"redis_host": "127.0.0.1", "redis_port": server.port, "redis_tls": True}
    given |= {"redis_username": USER, "redis_password": PASSWORD, "redis_tls_ca_file": authority.certificate}
    if ours:
        given |= {"redis_tls_cert_file": ours.certificate, "redis_tls_key_file": ours.key}
    return BaseSettings(**{**given, **others})


async def test_r19_the_whole_mesh_works_over_tls(
    tmp_path: Path, server: SecureRedis, sentinel: SecureSentinel, authority: Authority, ours: Certificate
) -> None:
    """Each part gets in with its certificate, at the Sentinel and at the master: commands, pub/sub and direct calls."""
    others = {"redis_sentinels": f"127.0.0.1:{sentinel.port}", "redis_sentinel_master": MASTER}
    others |= {"redis_sentinel_username": SENTINEL_USER, "redis_sentinel_password": SENTINEL_PASSWORD}
    others |= {"redis_host": "", "blob_url": f"file://{tmp_path}/blobs"}
    settings = _settings(server, authority, ours, redis_sentinel_tls=True, **others)
    async with parts(settings) as gateway:
        assert '"step":"completed"' in await listen_to_the_end(gateway)
        await try_the_others(settings, tmp_path)


async def test_r19_host_and_url_are_the_same(server: SecureRedis, authority: Authority, ours: Certificate) -> None:
    """Both lead to the server, with the same files."""
    url = f"rediss://mesh:p%40ss%2Fw%23rd@127.0.0.1:{server.port}/0"
    for settings in (
        _settings(server, authority, ours),
        _settings(server, authority, ours, redis_host="", redis_url=url),
    ):
        async with connected(settings, name="test") as redis:
            assert await redis.ping()


async def _refusal(settings: BaseSettings) -> str:
    """Why there is no connection."""
    async with connected(settings, name="test") as redis:
        with pytest.raises(AWAY) as refused:
            await redis.ping()
    return str(refused.value)


async def test_r19_a_redis_that_cannot_be_trusted_is_not_spoken_to(
    tmp_path: Path, server: SecureRedis, authority: Authority, ours: Certificate
) -> None:
    """A certificate of an unknown authority, or for another host, ends the connection before a password is sent; and
    without a certificate of ours the server ends it."""
    strange = Authority(tmp_path / "strange")
    assert "certificate verify failed" in await _refusal(_settings(server, strange, ours))
    assert "Hostname mismatch" in await _refusal(_settings(server, authority, ours, redis_host="localhost"))
    assert await _refusal(_settings(server, authority, None))


async def test_r19_a_certificate_that_was_replaced_is_used(
    tmp_path: Path, server: SecureRedis, authority: Authority, ours: Certificate
) -> None:
    """A service whose certificate was not right, or has expired, gets in once the file holds another: no restart."""
    mine = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    settings = _settings(server, authority, mine)
    async with connected(settings, name="test") as redis:
        for source, trusted in ((Authority(tmp_path / "strange").sign("mesh"), False), (ours, True)):
            for old, new in zip(mine, source, strict=True):
                old.write_bytes(new.read_bytes())
            if trusted:
                assert await redis.ping()
            else:
                with pytest.raises(AWAY):
                    await redis.ping()


def test_a_certificate_needs_its_key() -> None:
    """One without the other is refused by name."""
    for name in ("REDIS_TLS_CERT_FILE", "REDIS_TLS_KEY_FILE"):
        with pytest.raises(SettingsError, match="REDIS_TLS_CERT_FILE: needs REDIS_TLS_KEY_FILE"):
            load(BaseSettings, {name: "/tmp/mine"})  # noqa: S108
