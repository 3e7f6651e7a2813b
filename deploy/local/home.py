"""The state folder of a mesh: Redis' data, recordings, logs, and the lock that keeps two meshes out of one folder."""

import fcntl
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from shared.errors import SettingsError

LEAST_BYTES = 128 << 20
"""Room for Redis' file, for logs and for some recordings."""


def default_home(environ: Mapping[str, str]) -> Path:
    """`VOXMESH_HOME`, else `voxmesh` in the folder that the system keeps for state of programs."""
    if chosen := environ.get("VOXMESH_HOME"):
        return Path(chosen).expanduser().absolute()
    return Path(environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser().absolute() / "voxmesh"


def prepare(home: Path) -> None:
    """Makes the folders in which a mesh keeps things. Raises `SettingsError` when they cannot be written or the disk is
    full: services that cannot even log could not say so."""
    try:
        for folder in ("redis", "blobs", "spool", "logs"):
            (home / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"VOXMESH_HOME: {error.filename} cannot be made ({error.strerror})") from error
    free = shutil.disk_usage(home).free
    if free < LEAST_BYTES:
        raise SettingsError(
            f"VOXMESH_HOME: {free >> 20} MiB are left for {home}, a mesh needs {LEAST_BYTES >> 20}; make room, or "
            "choose another folder (for a demo with TMPDIR)"
        )


def write_environ(home: Path, environ: Mapping[str, str]) -> Path:
    """A file that a shell reads, for whoever wants to look into a mesh that runs. It holds Redis' password."""
    path = home / "env"
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={quote(value)}\n" for name, value in environ.items()))
    return path


@contextmanager
def claimed(home: Path) -> Generator[None]:
    """`home`, made where needed, is this process's alone for the time of the block. Raises `SettingsError`."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (home / "lock").open("w")
    except OSError as error:
        raise SettingsError(f"VOXMESH_HOME: {home} cannot be written ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"VOXMESH_HOME: another mesh runs from {home}; stop it, or choose another folder"
            ) from error
        yield
