"""Where Redis is and how to get in, tried by every part of the mesh that connects to it."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Self, cast
from urllib.parse import quote

import pytest

from shared.errors import SettingsError
from shared.messages import StageName
from shared.redis import AWAY, client, connected, open_pool
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.gateway import until_ready
from tests.fakes.parts import environ_of, listen_to_the_end, parts, try_the_others
from tests.fakes.sentinel import MASTER, SENTINEL_PASSWORD, SENTINEL_USER, Sentinel
from tests.mesh import ROOT

PASSWORD = "p@ss/w#rd%21:+ x"
USER = "mesh"
RULES = (
    f"{USER} on ~vm:* ~arq:* resetchannels &audio_stream:* &vm:* "
    "-@all +@read +@write +@pubsub +@scripting +@transaction +@connection +info +time"
)
"""A user who gets to the keys and channels of the mesh and to no others, nor to commands that rule the server."""


@pytest.fixture
def blob_url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/blobs"


@pytest.mark.parametrize("way", ["fields", "url"])
async def test_r20_password_with_special_characters(
    way: str, tmp_path: Path, blob_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole mesh starts and works, with the password in a variable of its own or escaped in the URL; no log holds
    it."""
    server = RedisServer(tmp_path, port=free_port(), appendonly=True, options=("--requirepass", PASSWORD))
    server.start()
    url = f"redis://default:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/0"
    settings = BaseSettings(redis_url=url, blob_url=blob_url)
    if way == "fields":
        settings = BaseSettings(
            redis_host="127.0.0.1", redis_port=server.port, redis_password=PASSWORD, blob_url=blob_url
        )
    async with parts(settings) as gateway:
        assert '"step":"completed"' in await listen_to_the_end(gateway)
        await try_the_others(settings, tmp_path)
    server.stop()
    said = "".join(capfd.readouterr()) + repr(settings)
    assert "worker_ready" in said
    assert PASSWORD not in said
    assert quote(PASSWORD, safe="") not in said


@pytest.mark.parametrize(
    "url",
    [
        f"redis://default:{PASSWORD}@127.0.0.1:6379/0",
        "redis://default:a/b@127.0.0.1:6379/0",
        "redis://default:a#b@127.0.0.1:6379/0",
        "redis://default:a?b@127.0.0.1:6379/0",
        "redis://127.0.0.1:6379/first",
        "redis:///0",
        "127.0.0.1:6379",
        "redis://127.0.0.1?no_such_option=1",
    ],
)
def test_r20_url_that_would_be_misread_is_refused(url: str) -> None:
    """Rather than to connect to what is in the place of the host. The message holds nothing of the password."""
    with pytest.raises(SettingsError, match=r"^REDIS_URL: ") as refused:
        open_pool(BaseSettings(redis_url=url), name="test")
    assert "a/b" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None


def test_r19_tls_checks_whom_it_talks_to(tmp_path: Path) -> None:
    """With `rediss://`, with a host and through Sentinels alike, the certificate has to be the named host's."""
    authority = tmp_path / "ca.pem"
    given: dict[str, Any] = {"redis_tls_ca_file": authority}
    ways = [
        BaseSettings(redis_url="rediss://u:p@redis.example:6380/2", **given),
        BaseSettings(redis_host="redis.example", redis_username="u", redis_password="p", redis_tls=True, **given),
        BaseSettings(
            redis_sentinels="one.example, two.example:26380",
            redis_username="u",
            redis_password="p",
            redis_tls=True,
            redis_sentinel_tls=True,
            redis_sentinel_password="s",
            **given,
        ),
    ]
    pools = [cast("Any", open_pool(settings, name="test")) for settings in ways]
    for pool in pools:
        connection = pool.make_connection()
        assert (connection.username, connection.password) == ("u", "p")
        assert (connection.check_hostname, connection.ca_certs) == (True, str(authority))
        assert connection.cert_reqs.name == "CERT_REQUIRED"
    first, second = pools[-1].sentinel_manager.sentinels
    for sentinel, place in ((first, ("one.example", 26379)), (second, ("two.example", 26380))):
        connection = sentinel.connection_pool.make_connection()
        assert (connection.host, connection.port) == place
        assert (connection.password, connection.check_hostname) == ("s", True)


@pytest.mark.parametrize("sentinels", ["host:port", "redis://host:26379", ",", "u:p@host:26379"])
def test_r19_sentinels_that_cannot_be_are_refused(sentinels: str) -> None:
    """By the name of the variable, before anything starts."""
    with pytest.raises(SettingsError, match=r"^REDIS_SENTINELS: it must"):
        open_pool(BaseSettings(redis_sentinels=sentinels), name="test")


class Replicated:
    """A master, its replica and a Sentinel; the master lets in `USER` and, for the test, everybody."""

    def __init__(self, folder: Path) -> None:
        options = ["--user", *RULES.split(), f">{PASSWORD}"]
        self.master = RedisServer(_folder(folder, "first"), port=free_port(), appendonly=True, options=options)
        options += ["--replicaof", "127.0.0.1", str(self.master.port)]
        self.replica = RedisServer(_folder(folder, "second"), port=free_port(), appendonly=True, options=options)
        self.sentinel = Sentinel(folder, port=free_port(), master_port=self.master.port)

    async def __aenter__(self) -> Self:
        for server in (self.master, self.replica, self.sentinel):
            server.start()
        await self.until("master_link_status", "up")
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in (self.sentinel, self.replica, self.master):
            server.stop()

    async def until(self, field: str, value: str) -> None:
        """Returns when the replica tells this of itself."""
        async with connected(BaseSettings(redis_url=self.replica.url), name="test") as redis:

            async def told() -> bool:
                return (await redis.info("replication")).get(field) == value

            await wait_until(told, description=f"{field} of the replica is {value}")


async def test_r19_sentinel_with_users_and_failover(tmp_path: Path, blob_url: str) -> None:
    """Every part gets in as a user who may use nothing but the mesh's own keys and channels; when the master dies, all
    of them go on with the one that follows."""
    async with Replicated(tmp_path) as servers:
        settings = BaseSettings(
            redis_sentinels=f"127.0.0.1:{free_port()},127.0.0.1:{servers.sentinel.port}",  # the first one is down
            redis_sentinel_master=MASTER,
            redis_username=USER,
            redis_password=PASSWORD,
            redis_sentinel_username=SENTINEL_USER,
            redis_sentinel_password=SENTINEL_PASSWORD,
            blob_url=blob_url,
        )
        async with parts(settings) as gateway:
            assert '"step":"completed"' in await listen_to_the_end(gateway)
            await try_the_others(settings, tmp_path)
            servers.master.stop()
            await servers.until("role", "master")
            await until_ready(gateway)
            assert '"step":"completed"' in await listen_to_the_end(gateway)
            await try_the_others(settings, tmp_path)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of a cluster, which is also listened to at its port + 10,000."""
    while (port := free_port()) > 55_000:
        pass
    server = RedisServer(tmp_path, port=port, options=("--cluster-enabled", "yes"))
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("module", ["services.gateway.app", "tests.fakes.worker asr", "deploy.local.cli doctor"])
def test_r18_cluster_is_refused_with_one_line(module: str, cluster: RedisServer, tmp_path: Path) -> None:
    """Within five seconds, by what to do instead."""
    environ = {**environ_of(BaseSettings(redis_url=cluster.url)), "SPOOL_DIR": f"{tmp_path}/spool", "PORT": "0"}
    process = _run(module, environ)
    said, complaint = process.communicate(timeout=20)
    assert process.returncode != 0
    (line,) = [line for line in (said + complaint).splitlines() if "Redis Cluster" in line]
    assert "name a single server, or Sentinels" in line
    assert "Traceback" not in complaint


def _run(module: str, environ: dict[str, str]) -> "Popen[str]":
    command = [sys.executable, "-m", *module.split()]
    return Popen(command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environ}, stdout=PIPE, stderr=PIPE, text=True)


async def test_r18_cluster_that_is_met_later_is_named(cluster: RedisServer) -> None:
    """Whoever has not asked at the start hears it from the first command."""
    pool = open_pool(BaseSettings(redis_url=cluster.url), name="test")
    with pytest.raises(SettingsError, match="Redis Cluster, which is not supported: name a single server"):
        await client(pool).get(StageName.ASR)
    await pool.aclose()


async def test_a_peer_that_takes_connections_and_drops_them_is_away() -> None:
    """A proxy whose server has gone is one more Redis that is away, for which the mesh waits."""

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(BaseSettings(redis_url=f"redis://127.0.0.1:{port}"), name="test") as redis:
            with pytest.raises(AWAY):
                await redis.ping()
