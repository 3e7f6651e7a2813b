"""Where recordings lie: a folder that all services share, or a bucket (`s3://`, `gs://`, `az://`).

Redis holds only a blob's name. Nothing here holds a recording in memory. A blob appears whole or not at all.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from shared import scratch
from shared.errors import Permanent, Retryable, SettingsError


class Blob(msgspec.Struct, frozen=True):
    """What a listing tells of a blob."""

    name: str
    age_seconds: float


class BlobStore:
    """Named, immutable files. All methods raise `Retryable` (`storage_unavailable`) when the store cannot serve."""

    def __init__(self, url: str) -> None:
        """Raises `SettingsError` when `url` names no store. A local folder is created; a bucket is not."""
        self._folder: Path | None = None
        try:
            self._store = self._open(url)
        except (BaseError, ValueError, OSError) as error:
            raise SettingsError(
                "BLOB_URL: it must be a folder that can be written, file:///folder, or s3://bucket/prefix, gs://…, az://…"
            ) from error

    async def put(self, name: str, path: Path) -> None:
        """Store the file at `path` as `name`. In a folder on the same disk this takes a link, not a copy."""
        if self._folder is not None:
            try:
                await asyncio.to_thread(os.link, path, self._folder / name)
            except OSError:  # another disk, or one without links
                pass
            else:
                return
        with _reported():
            await obstore.put_async(self._store, name, path)

    @asynccontextmanager
    async def as_file(self, name: str) -> AsyncGenerator[Path]:
        """The blob as a local, seekable file for the time of the block. Nobody may write to it.

        Raises `Permanent` (`recording_lost`) when there is none."""
        if self._folder is not None:
            path = self._folder / name
            if not path.is_file():
                raise _missing()
            yield path
            return
        with ExitStack() as stack:
            with _reported():
                copies = scratch.users_folder()
                await asyncio.to_thread(scratch.sweep, copies)
                path = stack.enter_context(scratch.own_folder(copies)) / "recording"
            await self._fetch(name, path)
            yield path

    async def delete(self, name: str) -> None:
        """Afterwards there is no such blob; it is no error when there was none."""
        with _reported(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def batches(self) -> AsyncIterator[Sequence[Blob]]:
        """All blobs, some at a time."""
        with _reported():
            # One overload of `list` names types of a library that is not installed.
            batches = self._store.list()  # pyright: ignore[reportUnknownMemberType]
            async for batch in batches:
                now = datetime.now(UTC)
                yield [Blob(meta["path"], (now - meta["last_modified"]).total_seconds()) for meta in batch]

    async def _fetch(self, name: str, path: Path) -> None:
        with _reported():
            try:
                found = await obstore.get_async(self._store, name)
            except FileNotFoundError:
                raise _missing() from None
            with path.open("wb") as file:
                async for chunk in found.stream():
                    await asyncio.to_thread(file.write, chunk)

    def _open(self, url: str) -> ObjectStore:
        parts = urlsplit(url)
        if parts.scheme != "file":
            return from_url(url)
        self._folder = Path(unquote(parts.path))
        return LocalStore(self._folder, mkdir=True)


@contextmanager
def _reported() -> Generator[None]:
    """What goes wrong in a store, as an error of ours. The cause goes to the logs, not to clients."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise Retryable(
            "storage_unavailable", "The recording could not be stored or read. Please try again later."
        ) from error


def _missing() -> Permanent:
    return Permanent("recording_lost", "The recording is no longer there. Please submit it again.")
