"""Which mesh runs on this machine already."""

import fcntl
import re
from collections.abc import Mapping
from pathlib import Path

import httpx

from deploy.local.home import default_home
from deploy.local.port import address, reachable
from shared.errors import SettingsError

_PATIENCE_SECONDS = 2.0


def key_of(environ: Mapping[str, str]) -> str:
    """VOXMESH_KEY, without the line end that it has from a file. Raises `SettingsError` when it cannot be sent."""
    key = environ.get("VOXMESH_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("VOXMESH_KEY: it has characters that no API key has")
    return key


def started_mesh(environ: Mapping[str, str]) -> str:
    """The address of the mesh that `voxmesh up` runs from our state folder, ready or not; empty when there is none."""
    home = default_home(environ)
    try:
        text = (home / "env").read_text()
        held = _held(home / "lock")
    except OSError:
        return ""
    found = dict(re.findall(r"^export (HOST|PORT)='?([^'\n]*)'?$", text, re.MULTILINE))
    if not held or found.keys() < {"HOST", "PORT"} or not found["PORT"].isdecimal():
        return ""
    return address(reachable(found["HOST"]), int(found["PORT"]))


async def running_mesh(environ: Mapping[str, str]) -> str:
    """The same, of a mesh that is ready."""
    url = started_mesh(environ)
    if not url:
        return ""
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            response = await client.get("/health/ready")
    except httpx.HTTPError:
        return ""
    return url if response.is_success else ""


def _held(lock: Path) -> bool:
    """Whether a mesh lives: one that was killed has left its files behind, but not its lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
