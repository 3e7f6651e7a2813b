"""Cuts a text into sentences for a model and puts it together again with every line break and space in its place."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
import sentencex

from services.translate._masks import Span, verbatim

MOST_WORDS = 60
"""A longer sentence is cut: small models drop words from those over 100."""
MOST_CHARACTERS = 600
"""The same for scripts that put no spaces between words."""

# The names of this library come from its native half, which has no types.
_segment = cast(
    "Callable[[str, str], Sequence[str]]",
    sentencex.segment,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
)

_PAUSE = re.compile(r"[,;:，、；：—–][\"'”’)]*$")


class Layout(msgspec.Struct, frozen=True):
    """A text in alternation: gap, sentence, gap, … gap. Put together they are the text again; gaps are white space."""

    gaps: tuple[str, ...]
    sentences: tuple[str, ...]

    def fill(self, sentences: Sequence[str], *, between: str = "") -> str:
        """The text with other sentences in the places of its own, and `between` any two that have no gap."""
        before, *behind = self.gaps
        inner = [gap or between for gap in behind[:-1]]
        parts = [before]
        for sentence, gap in zip(sentences, [*inner, *behind[-1:]], strict=True):
            parts += [sentence, gap]
        return "".join(parts)


def lay_out(text: str, language: str) -> Layout:
    """The sentences of `text`, none blank, none longer than the limits above, none cut inside what is verbatim."""
    gaps, sentences = [""], list[str]()
    for piece in _pieces(text, language):
        core = piece.strip()
        if not core:
            gaps[-1] += piece
            continue
        start = piece.index(core)
        gaps[-1] += piece[:start]
        sentences.append(core)
        gaps.append(piece[start + len(core) :])
    return Layout(tuple(gaps), tuple(sentences))


def _pieces(text: str, language: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        for sentence in _sentences(line, language):
            yield from _short(sentence)


def _sentences(line: str, language: str) -> Iterator[str]:
    spans = verbatim(line)
    cuts: list[int] = []
    end = 0
    for sentence in _segment(language, line):
        end += len(sentence)
        if not _inside(end, spans):
            cuts.append(end)
    if end != len(line):  # the splitter has changed the text: leave it whole
        cuts = [len(line)]
    start = 0
    for cut in cuts:
        yield line[start:cut]
        start = cut


def _inside(place: int, spans: Sequence[Span]) -> bool:
    return any(start < place < end for start, end in spans)


def _short(sentence: str) -> Iterator[str]:
    """`sentence` in parts within the limits, cut behind a comma where there is one in the second half of a part."""
    words = [part for word in re.findall(r"\s*\S+\s*$|\s*\S+", sentence) for part in _fitting(word)]
    while words:
        most = _fit(words)
        if most < len(words):
            pauses = [count for count in range(most // 2, most + 1) if count and _PAUSE.search(words[count - 1])]
            most = pauses[-1] if pauses else most
        yield "".join(words[:most])
        words = words[most:]
    if not sentence.strip():
        yield sentence


def _fit(words: Sequence[str]) -> int:
    """How many of the first words go into one part; at least one."""
    length = 0
    for count, word in enumerate(words):
        length += len(word)
        if count == MOST_WORDS or (count and length > MOST_CHARACTERS):
            return count
    return len(words)


def _fitting(word: str) -> Iterator[str]:
    if len(word) <= MOST_CHARACTERS or verbatim(word):
        yield word
        return
    for start in range(0, len(word), MOST_CHARACTERS):
        yield word[start : start + MOST_CHARACTERS]
