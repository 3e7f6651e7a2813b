"""Folders for files that may not outlive their process, in a folder that many processes share.

Each process holds a lock on its own folder, which the system lets go of however the process ends. So what is left by
one that was killed can be told from what is in use, by any other process and at once: no ages, no process ids, which
mean nothing in another container. The lock is advisory (`flock`); a network file system has to offer it.
"""

import fcntl
import os
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "held-"
_LOCK = "lock"
_TRIES = 10


def users_folder() -> Path:
    """A folder of this user's in the system's folder for temporary files. Raises `OSError` when there can be none."""
    folder = Path(tempfile.gettempdir(), f"voxmesh-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():  # whoever made it could read and replace what is in it
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


@contextmanager
def own_folder(parent: Path) -> Generator[Path]:
    """A new folder in `parent` for the time of the block; then it is removed with all that is in it.

    Raises `OSError` when there can be none."""
    folder, lock = _made(parent)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def sweep(parent: Path) -> int:
    """Remove the folders in `parent` whose process is gone. Answers how many there were."""
    removed = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            _remove(folder)  # its end was interrupted; or it is just being made, and its maker will make another
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _remove(folder)
            removed += 1
        finally:
            os.close(lock)
    return removed


def _made(parent: Path) -> tuple[Path, int]:
    """A folder and the lock on it, which nobody has swept away between the two."""
    for _ in range(_TRIES):
        folder = parent / f"{_PREFIX}{uuid.uuid4().hex}"
        folder.mkdir()
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat((folder / _LOCK).stat(), os.fstat(lock)):
                    return folder, lock
            except OSError:
                os.close(lock)
                raise
            os.close(lock)
    raise OSError(f"no folder in {parent} could be kept")


def _remove(folder: Path) -> None:
    """Remove `folder`, the lock last: whoever is stopped in the middle leaves a folder that is still to be swept."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name != _LOCK:
                path.unlink(missing_ok=True)
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
