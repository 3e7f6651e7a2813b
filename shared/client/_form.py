"""The form of a submission, sent from where the recording lies: memory stays flat, however large it is."""

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict, cast

File = Path | bytes | BinaryIO | AsyncIterable[bytes]
Audio = File | str
"""A recording: a file by its path, its bytes, an open file that can be sought, or bytes as they come in. The last can
be sent only once, so a submission that breaks off half-way cannot be repeated. Text is the URL of one, which the
gateway fetches."""

_CHUNK_BYTES = 1 << 20


class Options(TypedDict, total=False):
    """What to ask for; what is left out is up to the gateway. The README says what each field does."""

    language: str
    include_translation: bool
    target_language: str
    include_insights: bool
    topics: Sequence[str]
    entity_labels: Sequence[str]
    redact: Sequence[str]
    initial_prompt: str
    hotwords: str
    diarize: bool
    num_speakers: int
    min_speakers: int
    max_speakers: int
    word_timestamps: bool
    channels: Literal["mix", "separate"]
    webhook_url: str


def fields_of(options: Mapping[str, object]) -> list[tuple[str, str]]:
    """The options as fields of a form, names and texts. A list is one field with commas between its items, or, where an
    item itself holds a comma, a field for each."""
    return [(name, text) for name, value in options.items() for text in _texts(value)]


def recording_form(audio: Audio | bytearray | memoryview, options: Mapping[str, object], *, name: str) -> "Form":
    """The form that submits a recording. Raises `OSError` when it cannot be read, `TypeError` for what is none, and
    `ValueError` for a text that is no URL, or one with a `name`: the end of its path is its name."""
    fields = fields_of(options)
    if isinstance(audio, bytearray | memoryview):
        audio = bytes(audio)
    if not isinstance(audio, str):
        if not (isinstance(audio, Path | bytes | AsyncIterable) or hasattr(audio, "read")):
            raise TypeError(f"A recording is a path, bytes, an open file or a URL, not {type(audio).__name__}")
        return Form(fields, "audio", audio, name=name)
    if not audio.lower().startswith(("https://", "http://")):
        raise ValueError(f"{audio!r} is no URL of a recording; a file is Path({audio!r})")
    if name:
        raise ValueError("A recording by its URL is called after the end of that: it takes no name")
    return Form([*fields, ("audio_url", audio)])


class Form:
    """A form, with a file in it or without."""

    def __init__(
        self, fields: Sequence[tuple[str, str]], field: str = "", file: File | None = None, *, name: str = ""
    ) -> None:
        """`file` goes into `field`, behind the other fields. Raises `OSError` when it cannot be read."""
        self._file = file
        self.size = _size_of(file)
        """Bytes of the file; None when nobody knows."""
        self._start = 0 if file is None or isinstance(file, Path | bytes | AsyncIterable) else file.tell()
        self._touched = False
        boundary = secrets.token_hex(16)
        parts = [_part(boundary, f'name="{_quoted(other)}"') + encoded(text) for other, text in fields]
        if file is not None:
            parts.append(_part(boundary, f'name="{field}"; filename="{_quoted(name or _name_of(file))}"'))
        self._head = b"\r\n".join(parts)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        if self.size is not None:
            self.headers["Content-Length"] = str(len(self._head) + self.size + len(self._tail))

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent (once more)."""
        return self.size is not None or not self._touched

    async def body(self) -> AsyncGenerator[bytes]:
        """The form as it goes over the wire."""
        yield self._head
        self._touched = True
        match self._file:
            case None:
                pass
            case bytes():
                yield self._file
            case Path():
                with await asyncio.to_thread(self._file.open, "rb") as opened:
                    async for chunk in _chunks(opened, self.size):
                        yield chunk
            case AsyncIterable():
                async for chunk in self._file:
                    yield chunk
            case opened:
                await asyncio.to_thread(opened.seek, self._start)
                async for chunk in _chunks(opened, self.size):
                    yield chunk
        yield self._tail


def encoded(text: str) -> bytes:
    """In UTF-8. What is none, as names of files and words of a command line may hold, stays none: the gateway refuses
    it by the name of the field, and shows a name without it."""
    return text.encode(errors="surrogatepass")


async def _chunks(file: BinaryIO, size: int | None) -> AsyncIterator[bytes]:
    """The rest of `file`, read on a thread: a slow disk must not hold up the caller's other tasks. Of a file that has
    grown, what it had when its `size` was told to the gateway. Raises `OSError` when it has shrunk."""
    left = size
    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left)):
        left = None if left is None else left - len(chunk)
        yield chunk
    if left:
        raise OSError(errno.EIO, "it has become shorter while it was being sent", getattr(file, "name", None))


def _size_of(file: File | None) -> int | None:
    """Bytes to come; None when nobody knows."""
    match file:
        case None:
            return 0
        case bytes():
            return len(file)
        case Path():
            status = file.stat()
            return status.st_size if stat.S_ISREG(status.st_mode) else None
        case AsyncIterable():
            return None
        case opened:
            start = opened.tell()
            size = opened.seek(0, os.SEEK_END) - start
            opened.seek(start)
            return size


def _name_of(file: File) -> str:
    return file.name if isinstance(file, Path) else "recording"


def _part(boundary: str, disposition: str) -> bytes:
    return encoded(f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n")


def _quoted(name: str) -> str:
    """As browsers write it."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _texts(value: object) -> list[str]:
    """What goes into the fields of an option; None leaves it out. Raises `TypeError` for what no option is."""
    match value:
        case None:
            return []
        case bool():
            return ["true" if value else "false"]
        case str():
            return [value]
        case int() | float():
            return [str(value)]
        case Iterable() if not isinstance(value, bytes | bytearray | Mapping):
            items = [str(item) for item in cast("Iterable[object]", value)]
            if any("," in item for item in items):
                return [*items, ""]  # a field that came alone would be cut at its commas; blanks are no items
            return [",".join(items)]
        case _:
            raise TypeError(f"An option is a text, a number, true or false, or a list of texts, not {value!r}")
