"""Recordings by URL: fetched as if their client had sent them, within the same limits."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from io import RawIOBase
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.gateway.intake.formdata import LEAST_BYTES_PER_SECOND, NAME_CHARACTERS
from services.gateway.intake.forms import AUDIO_URL
from services.gateway.intake.uploads import Upload, too_large
from services.gateway.outbound import Guard, Refused, Target, Unreachable, request
from services.gateway.problems import Problem, unavailable

_WRITE_BYTES = 1 << 20
_AT_ONCE = 8
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "voxmesh"}
_WHY = {
    "unresolved": "its host has no address",
    "unconnected": "its host takes no connection, or cannot prove who it is",
    "timeout": "its host says nothing, or next to nothing, for too long",
    "bad_answer": "the answer breaks off or is none",
}


def expected(url: str, path: Path) -> Upload:
    """What stands for the recording at `url` before it is fetched to `path`: the same URL is the same recording."""
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    digest = hashlib.sha256(b"url\0" + url.encode()).hexdigest()
    return Upload(path, name[:NAME_CHARACTERS], digest)


class Fetcher:
    """Fetches recordings from where `guard` lets it, a few at a time."""

    def __init__(self, guard: Guard, *, limit: int, stall_seconds: float) -> None:
        """`limit` is the most bytes that a recording may have, `stall_seconds` the time in which something has to
        arrive."""
        self._guard = guard
        self._limit = limit
        self._stall_seconds = stall_seconds
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def target(self, url: str) -> Target:
        """The URL, if it may be asked. Raises `Problem` with 400."""
        try:
            return self._guard.target(url)
        except Refused as error:
            raise _refused(error) from error

    async def fetch(self, target: Target, path: Path) -> None:
        """Bring what is there to `path`, a file. Raises `Problem` with 400, 413, 422 or 503."""
        try:
            async with self._turn, self._opened(target) as pieces:
                await self._write(pieces, path)
        except Refused as error:
            raise _refused(error) from error
        except Unreachable as error:
            raise _unreachable(_WHY[error.code]) from error
        except OSError as error:
            detail = "The recording cannot be stored at the moment. Please try again later."
            raise unavailable(detail, code="storage_unavailable") from error

    @asynccontextmanager
    async def _opened(self, target: Target) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The body of a good answer."""
        async with request(
            self._guard, target, method="GET", headers=_HEADERS, silence_seconds=self._stall_seconds
        ) as answer:
            if 300 <= answer.status < 400:
                raise _unreachable("it leads to another address: give that one")
            if answer.status != 200:
                raise _unreachable(f"it is answered with {answer.status}")
            if int(answer.headers.get("content-length", "0")) > self._limit:
                raise too_large(self._limit, AUDIO_URL)
            yield answer.pieces()

    async def _write(self, pieces: AsyncIterator[bytes], path: Path) -> None:
        loop = asyncio.get_running_loop()
        size, waiting = 0, list[bytes]()
        since, came = loop.time(), 0
        with await asyncio.to_thread(path.open, "wb", buffering=0) as file:
            async for piece in pieces:
                waiting.append(piece)
                size, came = size + len(piece), came + len(piece)
                if size > self._limit:
                    raise too_large(self._limit, AUDIO_URL)
                if came >= LEAST_BYTES_PER_SECOND * self._stall_seconds:
                    since, came = loop.time(), 0
                elif loop.time() - since > self._stall_seconds:
                    raise Unreachable("timeout")
                if sum(map(len, waiting)) >= _WRITE_BYTES:
                    await asyncio.to_thread(_write_all, file, b"".join(waiting))
                    waiting.clear()
            await asyncio.to_thread(_write_all, file, b"".join(waiting))


def _write_all(file: RawIOBase, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]


def _refused(error: Refused) -> Problem:
    return Problem(400, "bad_url", f"The field '{AUDIO_URL}' cannot be used: {error}.", field=AUDIO_URL)


def _unreachable(why: str) -> Problem:
    return Problem(422, "url_unreachable", f"What '{AUDIO_URL}' names cannot be fetched: {why}.", field=AUDIO_URL)
