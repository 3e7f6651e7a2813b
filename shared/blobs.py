"""Where recordings lie: a folder that all services share, or a bucket (`s3://`, `gs://`, `az://`).

Redis holds only a blob's name. Nothing here holds a recording in memory. A blob appears whole or not at all.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from shared import scratch
from shared.errors import Permanent, Retryable, SettingsError
from shared.settings import BaseSettings

_OWNERS = (
    dict.fromkeys(("s3", "s3a"), "aws") | dict.fromkeys(("az", "azure", "abfs", "abfss"), "azure") | {"gs": "google"}
)
_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "azure_storage_account_key", "google_service_account_key")


class Blob(msgspec.Struct, frozen=True):
    """What a listing tells of a blob."""

    name: str
    age_seconds: float


class BlobStore:
    """Named, immutable files. All methods raise `Retryable` (`storage_unavailable`) when the store cannot serve."""

    def __init__(self, url: str, credentials: Mapping[str, str] | None = None) -> None:
        """`credentials` are what obstore calls them; what is not there it takes from the environment, or from where the
        process runs. Raises `SettingsError` when `url` names no store. A local folder is created; a bucket is not."""
        self._folder: Path | None = None
        self._credentials = credentials or {}
        try:
            self._store = self._open(url)
        except (BaseError, ValueError, OSError) as error:
            raise SettingsError(
                "BLOB_URL: it must be a folder that can be written, file:///folder, or s3://bucket/prefix, gs://…, az://…"
            ) from error

    @classmethod
    def of(cls, settings: BaseSettings) -> Self:
        """The store that the settings name."""
        owner = _OWNERS.get(urlsplit(settings.blob_url).scheme, "file")
        found = {name: str(getattr(settings, name)) for name in _CREDENTIALS if name.startswith(f"{owner}_")}
        return cls(settings.blob_url, {name: value for name, value in found.items() if value})

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
            return from_url(url, config=cast("Any", self._credentials) or None)  # its type differs from cloud to cloud
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
