"""Multipart forms, taken in as they arrive: the recording goes to a file under a name of ours, the rest is small text.

Nothing the client says decides about a path, and memory does not grow with the upload.
"""

import asyncio
import hashlib
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from litestar import Request
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,  # pyright: ignore[reportUnknownVariableType] - it has no annotations
)

from services.gateway.problems import Disconnected, Problem, unavailable

FILE_FIELD = "audio"

_FIELD_BYTES = 16 << 10
_PARTS = 64
_HEADER_BYTES = 16 << 10
_SLACK_BYTES = 1 << 20
"""A body may be larger than its file by this much: boundaries, headers and text fields."""
_WRITE_BYTES = 1 << 20
"""Written at a time, on a thread: a slow disk must not hold up other clients' streams."""
_NAME_CHARACTERS = 255
_STALE_SECONDS = 86_400.0

_EXTENDED_NAME = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)")


class Upload(msgspec.Struct, frozen=True):
    """The recording. `name` is what the client calls it: data for people, never part of a path. `digest` stands for its
    bytes."""

    path: Path
    name: str
    digest: str


class Form(msgspec.Struct, frozen=True):
    """A form that has arrived whole."""

    fields: dict[str, str]
    upload: Upload


@asynccontextmanager
async def received(
    request: Request[Any, Any, Any], *, fields: frozenset[str], spool_dir: Path, limit: int
) -> AsyncGenerator[Form]:
    """The form of `request`, for the time of the block; its file is then removed, whatever has happened.

    `fields` are the names of text fields that are known, `limit` is the most bytes that the file may have. Raises
    `Problem` with 400 or 413, and `Disconnected`.
    """
    boundary = _boundary(request)
    if int(request.headers.get("content-length") or 0) > limit + _SLACK_BYTES:
        raise _too_large(limit)
    path = spool_dir / f"upload-{uuid.uuid4().hex}"
    parser = PushMultipartParser(boundary, max_segment_count=_PARTS, max_header_size=_HEADER_BYTES)
    try:
        try:
            with await asyncio.to_thread(FileIO, path, "xb") as file:
                reader = _Reader(parser, file, fields=fields, limit=limit)
                async for chunk in _body(request):
                    if reader.feed(chunk) >= _WRITE_BYTES:
                        await asyncio.to_thread(reader.write)
                await asyncio.to_thread(reader.write)
                form = Form(reader.fields, Upload(path, reader.close(), reader.digest))
        except MultipartError as error:
            raise Problem(400, "bad_form", "The form is damaged or incomplete.") from error
        except OSError as error:
            detail = "The recording cannot be stored at the moment. Please try again later."
            raise unavailable(detail, code="storage_unavailable") from error
        yield form
    finally:
        with suppress(OSError):
            path.unlink()


def sweep(spool_dir: Path) -> None:
    """Make the folder, and remove what a gateway that was killed has left in it."""
    spool_dir.mkdir(parents=True, exist_ok=True)
    for path in spool_dir.glob("upload-*"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)


class _Reader:
    """Sorts the parts of a form into text fields and the file."""

    def __init__(self, parser: PushMultipartParser, file: FileIO, *, fields: frozenset[str], limit: int) -> None:
        self.fields: dict[str, str] = {}
        self._parser = parser
        self._file = file
        self._known = fields
        self._limit = limit
        self._received = 0
        self._size = 0
        self._name: str | None = None
        self._field: str | None = None
        self._pending: list[bytes] = []
        self._hash = hashlib.sha256()
        self._text = bytearray()

    @property
    def digest(self) -> str:
        """Of what has been written."""
        return self._hash.hexdigest()

    def feed(self, chunk: bytes) -> int:
        """Take in the next piece of the body. Answers how many bytes wait to be written."""
        self._received += len(chunk)
        if self._received > self._limit + _SLACK_BYTES:
            raise _too_large(self._limit)
        for event in self._parser.parse(chunk):
            match event:
                case MultipartSegment():
                    self._begin(event)
                case None:
                    self._end()
                case _:
                    self._take(bytes(event))
        return sum(map(len, self._pending))

    def write(self) -> None:
        """Write to the file what has come for it."""
        data = memoryview(b"".join(self._pending))
        self._pending.clear()
        self._hash.update(data)
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> str:
        """The name of the file, now that the form is whole. Raises `Problem` when there was none."""
        self._parser.close()
        if self._name is not None and (self._size or self._name):
            return self._name[:_NAME_CHARACTERS]
        raise Problem(
            400,
            "audio_missing",
            "The field 'audio' is missing. Send the recording in it: with curl, -F audio=@recording.wav",
            field=FILE_FIELD,
        )

    def _begin(self, part: MultipartSegment) -> None:
        name, file_name = part.name or "", _file_name(part)
        if name == FILE_FIELD and (file_name is not None or part.content_type not in (None, "text/plain")):
            if self._name is not None:
                raise Problem(400, "audio_twice", "Send one file in 'audio' at a time.", field=FILE_FIELD)
            self._name, self._field = file_name or "", None
            return
        shown = name[:100]
        if name == FILE_FIELD:
            raise Problem(
                400,
                "audio_not_a_file",
                "The field 'audio' came as text, not as a file. With curl, put an @ before the name: "
                "-F audio=@recording.wav",
                field=FILE_FIELD,
            )
        if name not in self._known:
            raise Problem(
                400,
                "unknown_field",
                f"There is no field '{shown}'. The recording goes into 'audio'; other fields are: "
                f"{', '.join(sorted(self._known))}.",
                field=shown,
            )
        if name in self.fields:
            raise Problem(400, "field_twice", f"The field '{shown}' was sent more than once.", field=shown)
        self._field = name
        self._text.clear()

    def _take(self, data: bytes) -> None:
        if self._field is None:
            self._size += len(data)
            if self._size > self._limit:
                raise _too_large(self._limit)
            self._pending.append(data)
            return
        self._text += data
        if len(self._text) > _FIELD_BYTES:
            raise Problem(400, "field_too_long", f"The field '{self._field}' is too long.", field=self._field)

    def _end(self) -> None:
        if self._field is None:
            return
        try:
            self.fields[self._field] = self._text.decode()
        except UnicodeDecodeError as error:
            detail = f"The field '{self._field}' is not UTF-8 text."
            raise Problem(400, "bad_field", detail, field=self._field) from error


def _boundary(request: Request[Any, Any, Any]) -> str:
    header = request.headers.get("content-type", "")
    kind, options = cast("tuple[str, dict[str, str]]", parse_options_header(header))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise Problem(400, "not_a_form", "Send the request as multipart/form-data, with the file in the field 'audio'.")
    return options["boundary"]


def _file_name(part: MultipartSegment) -> str | None:
    """The file name of a part, also when it comes only in the form of RFC 5987; None for a text field."""
    extended = _EXTENDED_NAME.search(cast("str", part["Content-Disposition"]))
    if extended is None:
        return part.filename
    try:
        return unquote(extended[2], encoding=extended[1], errors="replace")
    except LookupError:
        return part.filename or extended[2]


def _too_large(limit: int) -> Problem:
    return Problem(
        413, "too_large", f"The recording is too large. At most {limit:,} bytes are taken.", field=FILE_FIELD
    )


async def _body(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if message["type"] == "http.request":
            yield message["body"]
            if not message["more_body"]:
                return
