"""A Redis Sentinel that watches one master."""

import hashlib
from pathlib import Path

from tests.conftest import RedisServer

MASTER = "voices"
SENTINEL_USER, SENTINEL_PASSWORD = "watcher", "s3ntinel: p@ss"


class Sentinel(RedisServer):
    """It lets in `SENTINEL_USER` alone, and takes half a second without an answer for death."""

    def __init__(self, folder: Path, *, port: int, master_port: int) -> None:
        super().__init__(folder, port=port)
        config = folder / f"sentinel-{port}.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f'dir "{folder}"',
            "loglevel warning",
            f"user {SENTINEL_USER} on +@all ~* &* #{_sha256(SENTINEL_PASSWORD)}",
            "user default off",
            f"sentinel monitor {MASTER} 127.0.0.1 {master_port} 1",
            f"sentinel down-after-milliseconds {MASTER} 500",
            f"sentinel failover-timeout {MASTER} 2000",
        ]
        config.write_text("\n".join(lines) + "\n")
        self._arguments = [str(config), "--sentinel"]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
