"""Where a line of text may be broken, in any script, without cutting what a reader sees as one character.

Widths are columns: a full-width character takes two, any other code point one. A line of n columns thus never has more
than n characters, whichever way they are counted.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r"[\S\u00a0\u2007\u202f]+")
"""A no-break space belongs to its word: `Bonjour !` stays together."""

_NOT_AT_START = frozenset("ーゝゞヽヾ々〜…—ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ")
_TAIL = ("Pe", "Pf", "Po")
_HEAD = ("Ps", "Pi")
_EXTENDERS = frozenset("\u200c\uff9e\uff9f\u0e33\u0eb3")
_JOINER = "\u200d"
_VIRAMA = 9
"""The combining class of signs that bind a consonant to the next."""


class Piece(NamedTuple):
    """Text that stays on one line; it starts at character `offset`. `spaced` tells that a space goes before it."""

    offset: int
    text: str
    spaced: bool

    @property
    def end(self) -> int:
        return self.offset + len(self.text)


def pieces(text: str, longest: int) -> list[Piece]:
    """All of `text` but its spaces, in pieces of at most `longest` columns: words; in scripts without spaces,
    characters with the punctuation that must not leave them."""
    found: list[Piece] = []
    for word in _WORD.finditer(text):
        spaced = bool(found)
        offset = word.start()
        for part in _parts(word[0], longest):
            found.append(Piece(offset, part, spaced))
            offset += len(part)
            spaced = False
    return found


def columns(text: str) -> int:
    """How wide `text` is."""
    if text.isascii():
        return len(text)
    return sum(1 + _is_wide(character) for character in text)


def clusters(text: str) -> Iterator[str]:
    """`text` in pieces each of which is one character to a reader, or more where that is not certain."""
    if text.isascii() and text.isprintable():
        yield from text
        return
    start, flags = 0, 0
    for at in range(1, len(text)):
        flags = flags + 1 if _is_flag(text[at - 1]) else 0
        if not _joined(text[at - 1], text[at], flags=flags):
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def _joined(before: str, after: str, *, flags: int) -> bool:
    """Whether the two characters are seen as one. `flags` counts the flag letters up to `before`."""
    if _JOINER in (before, after) or after in _EXTENDERS or unicodedata.category(after)[0] == "M":
        return True
    if 0x1F3FB <= ord(after) <= 0x1F3FF or 0xE0020 <= ord(after) <= 0xE007F:  # skin colours, tags
        return True
    if unicodedata.category(before) == "Cf" or unicodedata.combining(before) == _VIRAMA:
        return True
    if _is_flag(after):
        return flags % 2 == 1
    return _is_jamo(after) or (_is_jamo(before) and _is_hangul(after))


def _parts(word: str, longest: int) -> Iterator[str]:
    """A word in parts that may be separated; those that are still too long are cut between characters."""
    if word.isascii():
        yield from _cut(word, longest)
        return
    part = ""
    for cluster in clusters(word):
        if part and _may_break(part[-1], cluster[0]):
            yield from _cut(part, longest)
            part = ""
        part += cluster
    yield from _cut(part, longest)


def _may_break(before: str, after: str) -> bool:
    if not (_is_ideographic(before) or _is_ideographic(after)):
        return False
    if after in _NOT_AT_START or unicodedata.category(after) in _TAIL:
        return False
    return unicodedata.category(before) not in _HEAD


def _cut(part: str, longest: int) -> Iterator[str]:
    if columns(part) <= longest:
        yield part
        return
    line, width = "", 0
    for cluster in clusters(part):
        # Nobody reads fifty accents on one letter: what is wider than a line is cut between code points.
        for unit in cluster if columns(cluster) > longest else (cluster,):
            wide = columns(unit)
            if line and width + wide > longest:
                yield line
                line, width = "", 0
            line += unit
            width += wide
    yield line


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _is_ideographic(character: str) -> bool:
    """Of a script that is written without spaces, where each character may begin a line."""
    return _is_wide(character) and not _is_hangul(character)


def _is_hangul(character: str) -> bool:
    return 0xAC00 <= ord(character) <= 0xD7A3 or _is_jamo(character)


def _is_jamo(character: str) -> bool:
    code = ord(character)
    return 0x1100 <= code <= 0x11FF or 0xA960 <= code <= 0xA97C or 0xD7B0 <= code <= 0xD7FB


def _is_flag(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF
