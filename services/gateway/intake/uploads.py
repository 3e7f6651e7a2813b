"""Multipart forms, taken in as they arrive: the recording goes to a file under a name of ours, the rest is small text.

Nothing the client says decides about a path, and memory does not grow with the upload.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from services.gateway.intake.formdata import (
    SLACK_BYTES,
    TextFields,
    announced,
    body_of,
    damaged,
    file_name_of,
    parser_of,
)
from services.gateway.problems import Problem, unavailable

FILE_FIELD = "audio"

_WRITE_BYTES = 1 << 20
"""Written at a time, on a thread: a slow disk must not hold up other clients' streams."""


class Upload(msgspec.Struct, frozen=True):
    """The recording. `name` is what the client calls it: data for people, never part of a path. `digest` stands for its
    bytes."""

    path: Path
    name: str
    digest: str


class Form(msgspec.Struct, frozen=True):
    """A form that has arrived whole. There is no upload where a field has come in its place."""

    fields: dict[str, str]
    upload: Upload | None


@asynccontextmanager
async def received(
    request: Request[Any, Any, Any],
    path: Path,
    *,
    file_field: str,
    instead: str | None = None,
    fields: frozenset[str],
    limit: int,
    stall_seconds: float,
) -> AsyncGenerator[Form]:
    """The form of `request`, its file at `path`, for the time of the block; the file is then removed, whatever has
    happened.

    The file is in the field `file_field`, unless the field `instead` says where it is. `fields` are the names of text
    fields that are known, `limit` is the most bytes that the file may have, `stall_seconds` the time in which something
    has to arrive. Raises `Problem` with 400, 408 or 413, and `Disconnected`.
    """
    parser = parser_of(request, field=file_field)
    if announced(request) > limit + SLACK_BYTES:
        raise too_large(limit, file_field)
    text = TextFields(fields, content="recording", main=file_field)
    try:
        try:
            with await asyncio.to_thread(FileIO, path, "xb") as file:
                reader = _Reader(parser, file, file_field=file_field, fields=text, limit=limit)
                async for chunk in body_of(request, stall_seconds=stall_seconds):
                    if reader.feed(chunk) >= _WRITE_BYTES:
                        await asyncio.to_thread(reader.write)
                await asyncio.to_thread(reader.write)
                name = reader.close(instead=text.values.get(instead or "", "").strip())
                form = Form(text.values, None if name is None else Upload(path, name, reader.digest))
        except MultipartError as error:
            raise damaged() from error
        except OSError as error:
            detail = "The recording cannot be stored at the moment. Please try again later."
            raise unavailable(detail, code="storage_unavailable") from error
        yield form
    finally:
        with suppress(OSError):
            await asyncio.to_thread(path.unlink)  # of a large file it takes a while


class _Reader:
    """Sorts the parts of a form into text fields and the file."""

    def __init__(
        self, parser: PushMultipartParser, file: FileIO, *, file_field: str, fields: TextFields, limit: int
    ) -> None:
        self._parser = parser
        self._file = file
        self._file_field = file_field
        self._fields = fields
        self._limit = limit
        self._received = 0
        self._size = 0
        self._name: str | None = None
        self._in_file = False
        self._pending: list[bytes] = []
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of what has been written."""
        return self._hash.hexdigest()

    def feed(self, chunk: bytes) -> int:
        """Take in the next piece of the body. Answers how many bytes wait to be written."""
        self._received += len(chunk)
        if self._received > self._limit + SLACK_BYTES:
            raise too_large(self._limit, self._file_field)
        for event in self._parser.parse(chunk):
            match event:
                case MultipartSegment():
                    self._begin(event)
                case None if self._in_file:
                    self._in_file = False
                case None:
                    self._fields.end()
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

    def close(self, *, instead: str) -> str | None:
        """The name of the file, now that the form is whole; None when there is something `instead`. Raises `Problem`
        when there is neither, and when there are both."""
        self._parser.close()
        if self._name is not None and (self._size or self._name):
            if instead:
                detail = f"Send the recording in '{self._file_field}' or say where it is, not both."
                raise Problem(400, "audio_twice", detail, field=self._file_field)
            return self._name
        if instead:
            return None
        raise Problem(
            400,
            "audio_missing",
            f"The field '{self._file_field}' is missing. Send the recording in it: with curl, "
            f"-F {self._file_field}=@recording.wav",
            field=self._file_field,
        )

    def _begin(self, part: MultipartSegment) -> None:
        name, file_name, wanted = part.name or "", file_name_of(part), self._file_field
        self._in_file = name == wanted and (file_name is not None or part.content_type not in (None, "text/plain"))
        if self._in_file:
            if self._name is not None:
                raise Problem(400, "audio_twice", f"Send one file in '{wanted}' at a time.", field=wanted)
            self._name = file_name or ""
        elif name == wanted:
            raise Problem(
                400,
                "audio_not_a_file",
                f"The field '{wanted}' came as text, not as a file. With curl, put an @ before the name: "
                f"-F {wanted}=@recording.wav",
                field=wanted,
            )
        else:
            self._fields.begin(name)

    def _take(self, data: bytes) -> None:
        if not self._in_file:
            self._fields.take(data)
            return
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit, self._file_field)
        self._pending.append(data)


def too_large(limit: int, field: str) -> Problem:
    """The refusal of a recording of more than `limit` bytes that came in or by the field."""
    return Problem(413, "too_large", f"The recording is too large. At most {limit:,} bytes are taken.", field=field)
