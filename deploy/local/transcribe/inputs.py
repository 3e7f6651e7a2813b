"""Which recordings the words of a command line stand for."""

import asyncio
import glob
import os
import stat
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from deploy.local.terminal import plain
from shared.client import Audio
from shared.errors import SettingsError

STDIN = "-"
_CHUNK_BYTES = 1 << 16


class Recording(msgspec.Struct, frozen=True):
    """A file, or standard input where there is no path."""

    path: Path | None

    @property
    def label(self) -> str:
        """What people see: as they have written it, and nothing that a terminal would obey."""
        return plain(str(self.path)) if self.path else "stdin"

    @property
    def name(self) -> str:
        """What the mesh is told."""
        return self.path.name if self.path else "stdin"


def gather(words: Sequence[str]) -> list[Recording]:
    """The recordings, each once, in the order of the command line. Raises `SettingsError` that names every word that
    stands for none."""
    found: dict[Path | None, Recording] = {}
    faults: list[str] = []
    for word in words:
        try:
            for recording in _standing_for(word):
                found.setdefault(recording.path and recording.path.absolute(), recording)
        except SettingsError as error:
            faults.append(error.message)
    if faults:
        raise SettingsError("\n".join(faults))
    return list(found.values())


def _standing_for(word: str) -> Iterator[Recording]:
    if word == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise SettingsError("-: nothing comes from standard input but what you type; use a pipe, or < FILE")
        yield Recording(None)
        return
    path = Path(word)
    if path.exists() or not glob.has_magic(word):
        _check(path)
        yield Recording(path)
        return
    matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207 (it keeps the words)
    files = [match for match in matches if not match.is_dir()]
    if not files:
        raise SettingsError(f"{plain(word)}: no file matches")
    for match in files:
        _check(match)
        yield Recording(match)


def _check(path: Path) -> None:
    name = plain(str(path))
    if not path.exists():
        raise SettingsError(f"{name}: there is no such file")
    if path.is_dir():
        raise SettingsError(f"{name}: it is a folder; say which files of it, such as '{name.rstrip('/')}/*.mp3'")
    if not os.access(path, os.R_OK):
        raise SettingsError(f"{name}: it cannot be read")


@contextmanager
def opened(recording: Recording) -> Generator[Audio]:
    """What the client sends. A file is read from its place and can be sent again; a pipe is sent as it comes. Raises
    `OSError` for what is neither and cannot be read as one, such as a terminal."""
    if recording.path and recording.path.is_file():
        yield recording.path
        return
    with ExitStack() as stack:
        file = stack.enter_context(recording.path.open("rb")) if recording.path else sys.stdin.buffer
        mode = os.fstat(file.fileno()).st_mode
        # Of devices, such as /dev/null, no event loop can say when they have something.
        yield _as_it_comes(file) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else file


async def _as_it_comes(pipe: BinaryIO) -> AsyncIterator[bytes]:
    """Without a thread, which would have to wait for a pipe that says nothing before the command could end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            yield chunk
    finally:
        transport.close()
