"""Cuts a text into segments of about a sentence, with nothing lost and nothing added.

Segments are pieces of the text as they stand in it, with only white space between them. A blank line ends a sentence, a
line break alone does not: letters are wrapped at some width.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import sentencex

MOST_CHARACTERS = 1_000
"""A longer sentence is cut: models read no more at a time, and a segment is what a client shows at a time."""

# The names of this library come from its native half, which has no types.
_segment = cast(
    "Callable[[str, str], Sequence[str]]",
    sentencex.segment,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
)

_JOINER = "\u200d"
_MODIFIERS = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""What changes the character before it: the form of an emoji, its skin, its flag."""


class Piece(NamedTuple):
    """A segment, and the white space before it."""

    gap: str
    text: str


def pieces_of(text: str, *, language: str | None = None) -> Iterator[Piece]:
    """The segments of `text` with what is between them: put together, all is there but for the blanks at the end."""
    place = 0
    for segment in split(text, language=language):
        start = text.index(segment, place)
        yield Piece(text[place:start], segment)
        place = start + len(segment)


def split(text: str, *, language: str | None = None) -> list[str]:
    """The segments of `text` in order, none blank, none longer than `MOST_CHARACTERS`."""
    return [
        piece.strip()
        for paragraph in _paragraphs(text)
        for sentence in _sentences(paragraph, language or "en")
        for piece in _short(sentence.strip())
        if piece.strip()
    ]


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.strip():
            lines.append(line)
        if not line.strip() or line.endswith("\u2029"):
            yield "".join(lines)
            lines = []
    yield "".join(lines)


def _sentences(paragraph: str, language: str) -> Sequence[str]:
    sentences = _segment(language, paragraph)
    # Should it ever change the text, that is worse than a long segment.
    return sentences if "".join(sentences) == paragraph else [paragraph]


def _short(sentence: str) -> Iterator[str]:
    """`sentence` in pieces within the limit, cut at white space where there is some in the second half of a piece."""
    while len(sentence) > MOST_CHARACTERS:
        cut = _cut(sentence)
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    yield sentence


def _cut(sentence: str) -> int:
    for place in range(MOST_CHARACTERS, MOST_CHARACTERS // 2, -1):
        if sentence[place].isspace():
            return place
    for place in range(MOST_CHARACTERS, MOST_CHARACTERS // 2, -1):
        if not _holds_together(sentence[place - 1], sentence[place]):
            return place
    return MOST_CHARACTERS


def _holds_together(before: str, after: str) -> bool:
    """Whether these two neighbours are seen as one character."""
    return (
        _JOINER in (before, after) or unicodedata.category(after).startswith("M") or _MODIFIERS.match(after) is not None
    )
