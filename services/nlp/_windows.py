"""Text in windows that a model can read, cut between sentences."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text, without special ones."""


class Window(msgspec.Struct, frozen=True):
    """A piece of the text, and how many tokens it has."""

    text: str
    tokens: int


def windows(sentences: Sequence[str], *, most: int, count: Count) -> list[Window]:
    """All of `sentences`, in order, in windows of at most `most` tokens. A sentence is cut only if it is longer than a
    window; a word that is longer than one is no word, and is left out, as are pieces of a cut one without any word."""
    found: list[Window] = []
    begun: list[str] = []
    filled = 0
    for piece, size in _pieces(sentences, most, count):
        if filled + size > most:
            found.append(_joined(begun, count))
            begun, filled = [], 0
        begun.append(piece)
        filled += size
    if begun:
        found.append(_joined(begun, count))
    return found


def _pieces(texts: Sequence[str], most: int, count: Count) -> Iterator[tuple[str, int]]:
    for text, size in zip(texts, count(texts) if texts else [], strict=True):
        # Joined by a blank, two texts may have a token more than they have apart.
        if size + 1 <= most:
            if any(map(str.isalnum, text)):
                yield text, size + 1
        elif len(words := text.split()) > 1:
            middle = len(words) // 2
            yield from _pieces([" ".join(words[:middle]), " ".join(words[middle:])], most, count)


def _joined(pieces: Sequence[str], count: Count) -> Window:
    text = " ".join(pieces)
    return Window(text, count([text])[0])
