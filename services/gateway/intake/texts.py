"""Texts instead of recordings: taken in from a form, and written as what a stage behind asr reads.

A text is a field of the form or a file in it. It is held in memory, so its length has a limit of its own.
"""

import hashlib
from collections.abc import Sequence
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
    decoded,
    file_name_of,
    parser_of,
)
from services.gateway.intake.forms import can_be_seen
from services.gateway.intake.splitter import Piece, pieces_of
from services.gateway.problems import Problem
from shared import codec
from shared.messages import Document, Segment
from shared.text.detection import guess

TEXT_FIELD = "text"
MOST_SEGMENTS = 10_000
"""They are written in one go, for which everybody else has to wait: a tenth of a second."""

_MOST_CHARACTER_BYTES = 4
_MARK = "\ufeff"
"""What some editors put before the first character of a file."""


class Form(msgspec.Struct, frozen=True):
    """A form that has arrived whole. `name` is what the client calls the file, `digest` stands for the text."""

    fields: dict[str, str]
    text: str
    name: str
    digest: str


async def received(request: Request[Any, Any, Any], *, fields: frozenset[str], most: int, stall_seconds: float) -> Form:
    """The form of `request`. `fields` are the names of the fields beside the text that are known, `most` is how many
    characters the text may have, `stall_seconds` the time in which something has to arrive. Raises `Problem` with 400,
    408, 413 or 422, and `Disconnected`."""
    parser = parser_of(request, field=TEXT_FIELD)
    if announced(request) > most * _MOST_CHARACTER_BYTES + SLACK_BYTES:
        raise _too_long(most)
    reader = _Reader(parser, TextFields(fields, content="text", main=TEXT_FIELD), most)
    try:
        async for chunk in body_of(request, stall_seconds=stall_seconds):
            reader.feed(chunk)
        return reader.close()
    except MultipartError as error:
        raise damaged() from error


def records_of(text: str, *, language: str | None) -> list[bytes]:
    """The records of `text`: its segments and the end. Its language is guessed when it is not told. Raises `Problem`
    with 413 when there are too many segments."""
    guessed = guess(text) if language is None else None
    language = guessed.language if guessed else language
    pieces = list(pieces_of(text, language=language))
    if len(pieces) > MOST_SEGMENTS:
        raise Problem(
            413,
            "text_too_long",
            f"The text has {len(pieces):,} sentences or lines. At most {MOST_SEGMENTS:,} are taken at a time.",
            field=TEXT_FIELD,
        )
    document = Document(
        segments=len(pieces),
        language=language,
        language_score=guessed.share if guessed else None,
        coverage=1.0,
    )
    return [*_segments(pieces, language), codec.encode(document)]


def _segments(pieces: Sequence[Piece], language: str | None) -> Sequence[bytes]:
    return [
        codec.encode(Segment(index=index, start=0.0, end=0.0, text=piece.text, language=language, gap=piece.gap))
        for index, piece in enumerate(pieces, start=1)
    ]


class _Reader:
    """Sorts the parts of a form into fields and the text."""

    def __init__(self, parser: PushMultipartParser, fields: TextFields, most: int) -> None:
        self._parser = parser
        self._fields = fields
        self._most = most
        self._received = 0
        self._text: bytearray | None = None
        self._name = ""
        self._in_text = False

    def feed(self, chunk: bytes) -> None:
        """Take in the next piece of the body."""
        self._received += len(chunk)
        if self._received > self._most * _MOST_CHARACTER_BYTES + SLACK_BYTES:
            raise _too_long(self._most)
        for event in self._parser.parse(chunk):
            match event:
                case MultipartSegment():
                    self._begin(event)
                case None if self._in_text:
                    self._in_text = False
                case None:
                    self._fields.end()
                case _:
                    self._take(bytes(event))

    def close(self) -> Form:
        """The form, now that it is whole. Raises `Problem` when there is no text in it."""
        self._parser.close()
        if self._text is None:
            detail = f"The field '{TEXT_FIELD}' is missing. With curl, -F {TEXT_FIELD}=… or -F {TEXT_FIELD}=@file.txt"
            raise Problem(400, "text_missing", detail, field=TEXT_FIELD)
        text = decoded(self._text, field=TEXT_FIELD).removeprefix(_MARK)
        if "\0" in text:
            detail = f"The field '{TEXT_FIELD}' must be plain text: it holds NUL characters."
            raise Problem(400, "bad_field", detail, field=TEXT_FIELD)
        if len(text) > self._most:
            raise _too_long(self._most)
        if not can_be_seen(text):
            raise Problem(422, "empty_text", "The text is empty: there is nothing in it but blanks.", field=TEXT_FIELD)
        return Form(self._fields.values, text, self._name, hashlib.sha256(text.encode()).hexdigest())

    def _begin(self, part: MultipartSegment) -> None:
        name = part.name or ""
        self._in_text = name == TEXT_FIELD
        if not self._in_text:
            self._fields.begin(name)
        elif self._text is not None:
            raise Problem(400, "field_twice", f"The field '{name}' was sent more than once.", field=name)
        else:
            self._text, self._name = bytearray(), file_name_of(part) or ""

    def _take(self, data: bytes) -> None:
        if self._in_text and self._text is not None:
            self._text += data
        else:
            self._fields.take(data)


def _too_long(most: int) -> Problem:
    return Problem(
        413, "text_too_long", f"The text is too long. At most {most:,} characters are taken.", field=TEXT_FIELD
    )
