"""Which recordings the words of a command line stand for."""

import asyncio
import glob
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

import msgspec

from deploy.local.terminal import plain
from shared.client import Audio
from shared.errors import SettingsError

STDIN = "-"
_CHUNK_BYTES = 1 << 16
_TASK = re.compile(r"[\w-]{1,100}", re.ASCII)


class Recording(msgspec.Struct, frozen=True):
    """A file, what lies at a URL, what a task has been made of already, or, without any of these, standard input."""

    path: Path | None = None
    url: str = ""
    task: str = ""

    @property
    def label(self) -> str:
        """What people see: as they have written it, without the signature of a URL, and nothing that a terminal would
        obey."""
        if self.task:
            return f"task {self.task}"
        return plain(str(self.path or self.url.partition("?")[0])) if self.path or self.url else "stdin"

    @property
    def name(self) -> str:
        """What it is called, wherever it lies."""
        if self.url:
            parts = urlsplit(self.url)
            last = unquote(parts.path.rpartition("/")[2], errors="replace")
            return plain(last.replace("/", "_")) or parts.hostname or "recording"
        return self.task or (self.path.name if self.path else "stdin")


def gather(words: Sequence[str], tasks: Sequence[str] = ()) -> list[Recording]:
    """The recordings, each once, in the order of the command line, and those of `tasks`. Raises `SettingsError` that
    names every word that stands for none."""
    found: dict[Path | str | None, Recording] = {}
    faults = [f"--resume: {plain(task)} is no task" for task in tasks if not _TASK.fullmatch(task)]
    if not words and not tasks:
        faults.append("which recordings? Name files, globs in quotes, URLs, or - for standard input")
    for word in words:
        try:
            for recording in _standing_for(word):
                found.setdefault(recording.url or (recording.path and recording.path.absolute()), recording)
        except SettingsError as error:
            faults.append(error.message)
    if faults:
        raise SettingsError("\n".join(faults))
    return [*found.values(), *(Recording(task=task) for task in dict.fromkeys(tasks))]


def _standing_for(word: str) -> Iterator[Recording]:
    if word == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise SettingsError("-: nothing comes from standard input but what you type; use a pipe, or < FILE")
        yield Recording(None)
        return
    if word.lower().startswith(("https://", "http://")):
        yield Recording(url=_checked(word))
        return
    path = Path(word)
    if os.path.lexists(word) or not glob.has_magic(word):
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


def _checked(url: str) -> str:
    """The URL, if it can be one: whether it leads anywhere shows when the gateway asks."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise SettingsError(f"{plain(url)}: it is no URL; it looks like https://host/path")
    return url


def _check(path: Path) -> None:
    name = plain(str(path))
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SettingsError(f"{name}: there is no such file") from error
    except OSError as error:
        raise SettingsError(f"{name}: it cannot be read ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise SettingsError(f"{name}: it is a folder; say which files of it, such as '{name.rstrip('/')}/*.mp3'")
    if not os.access(path, os.R_OK):
        raise SettingsError(f"{name}: it cannot be read")


@contextmanager
def opened(recording: Recording) -> Generator[Audio]:
    """What the client sends. A file is read from its place and can be sent again; a pipe is sent as it comes. Raises
    `OSError` for what is neither and cannot be read as one, such as a terminal."""
    if recording.url:
        yield recording.url
        return
    if recording.path and recording.path.is_file():
        yield recording.path
        return
    with ExitStack() as stack:
        file = stack.enter_context(_open(recording.path)) if recording.path else sys.stdin.buffer
        mode = os.fstat(file.fileno()).st_mode
        # Of devices, such as /dev/null, no event loop can say when they have something.
        yield _as_it_comes(file) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else file


def _open(path: Path) -> BinaryIO:
    """A FIFO opens at once, too, though nobody writes to it yet: to wait for that is the event loop's affair."""
    waits = stat.S_ISFIFO(path.stat().st_mode)
    return path.open("rb") if not waits else open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # noqa: PTH123


async def begun(audio: Audio) -> Audio:
    """The same, once there is something to send: a gateway does not wait long for who says nothing."""
    if not isinstance(audio, AsyncGenerator):
        return audio
    pieces = cast("AsyncGenerator[bytes]", audio)
    return _behind(await anext(pieces, b""), pieces)


async def _behind(first: bytes, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def _as_it_comes(pipe: BinaryIO) -> AsyncGenerator[bytes]:
    """Without a thread, which would have to wait for a pipe that says nothing before the command could end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            yield chunk
    finally:
        transport.close()
