"""Masks what may not be seen in a segment: in its text, its words, its entities and its translation alike."""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from shared.messages import Entity, Segment, Word
from shared.text.redaction import PATTERNS

WITHHELD = "[REDACTED]"
"""Takes the place of a sentence in which what is to be masked cannot be found for certain."""
_SHORTEST_PART = 3
"""Letters of a part of a name that is masked wherever it stands alone, too."""


class Span(msgspec.Struct, frozen=True):
    """`text[start:end]` is to be masked as `kind`."""

    start: int
    end: int
    kind: str


class Names:
    """Names that were found somewhere in a recording, to be masked wherever they stand: a model sees them here and
    misses them there. Parts of a person's name count, too, in the case in which they were found."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        """`named` are names with their kinds."""
        self._kinds: dict[str, str] = {}
        for name, kind in named:
            self._kinds.setdefault(name, kind)
            for part in name.split() if kind == "person" else ():
                if len(part) >= _SHORTEST_PART and part[0].isupper():
                    self._kinds.setdefault(part, kind)
        longest_first = sorted(self._kinds, key=len, reverse=True)
        self._pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first) or r"(?!)")

    def spans(self, text: str) -> Iterator[Span]:
        """Where they stand."""
        for found in self._pattern.finditer(text):
            yield Span(found.start(), found.end(), self._kinds[found[0]])


def patterned(text: str, kinds: Iterable[str]) -> Iterator[Span]:
    """What is known by its form."""
    for kind in kinds:
        if kind in PATTERNS:
            for found in PATTERNS[kind].finditer(text):
                yield Span(found.start(), found.end(), kind)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap as one, of the kind of the longest."""
    result: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        size = span.end - span.start
        if result and span.start < result[-1].end:
            last = result.pop()
            kind = span.kind if size > longest else last.kind
            result.append(Span(last.start, max(last.end, span.end), kind))
            longest = max(longest, size)
        else:
            result.append(span)
            longest = size
    return result


def masked(text: str, spans: Sequence[Span], *, start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` with each span in it as its kind in brackets. No span is cut by start or end."""
    end = len(text) if end is None else end
    pieces: list[str] = []
    for span in spans:
        if start <= span.start and span.end <= end:
            pieces += [text[start : span.start], f"[{span.kind.upper()}]"]
            start = span.end
    return "".join([*pieces, text[start:end]])


def covered(source: Sequence[Span], target: Sequence[Span]) -> bool:
    """Whether there are as many spans of each kind in the target as in the source: if not, one was translated into
    something that nobody recognises."""
    return all(_count(target, kind) >= _count(source, kind) for kind in {span.kind for span in source})


def with_masks(segment: Segment, spans: Sequence[Span], translation: str | None) -> Segment:
    """The segment with `spans` (of its text) masked in text, words and entities, and that translation."""
    if not spans:
        return msgspec.structs.replace(segment, translation=translation)
    return msgspec.structs.replace(
        segment,
        text=masked(segment.text, spans),
        words=tuple(_words(segment, spans)),
        entities=tuple(_entities(segment, spans)),
        translation=translation,
    )


def withheld(segment: Segment) -> Segment:
    """The segment without anything that was said in it."""
    translation = WITHHELD if segment.translation else None
    return msgspec.structs.replace(segment, text=WITHHELD, words=(), entities=(), translation=translation)


def _count(spans: Sequence[Span], kind: str) -> int:
    return sum(span.kind == kind for span in spans)


def _words(segment: Segment, spans: Sequence[Span]) -> Iterator[Word]:
    """The words, those of one span as one word from the beginning of the first to the end of the last. None when the
    words cannot be found in the text: then nobody could say which of them to mask."""
    places = _places(segment)
    at = 0
    while at < len(places):
        first, begins, ends = places[at]
        last = first
        at += 1
        while True:
            until = max([ends, *(span.end for span in spans if begins < span.end and span.start < ends)])
            begins = min([begins, *(span.start for span in spans if begins < span.end and span.start < ends)])
            if until <= ends and (at == len(places) or places[at][1] >= until):
                break
            ends = until
            while at < len(places) and places[at][1] < ends:
                last, _, word_ends = places[at]
                ends = max(ends, word_ends)
                at += 1
        if first is last and not any(begins < span.end and span.start < ends for span in spans):
            yield first
            continue
        blank = first.text[: len(first.text) - len(first.text.lstrip())]
        text = masked(segment.text, spans, start=begins, end=ends)
        yield Word(text=blank + text, start=first.start, end=last.end, speaker=first.speaker)


def _places(segment: Segment) -> list[tuple[Word, int, int]]:
    """Each word with its place in the text; empty when they are not those of the text."""
    places: list[tuple[Word, int, int]] = []
    start = 0
    for word in segment.words:
        text = word.text.strip()
        begins = segment.text.find(text, start)
        if begins < 0 or segment.text[start:begins].strip():
            return []
        places.append((word, begins, begins + len(text)))
        start = begins + len(text)
    return places


def _entities(segment: Segment, spans: Sequence[Span]) -> Iterator[Entity]:
    """The entities at their places in the masked text; one that is masked is called like its mask."""
    text = masked(segment.text, spans)
    end = 0
    for entity in segment.entities:
        touched = [span for span in spans if entity.start < span.end and span.start < entity.end]
        begins = min([entity.start, *(span.start for span in touched)])
        ends = max([entity.end, *(span.end for span in touched)])
        start = len(masked(segment.text, spans, end=begins))
        if start < end:
            continue
        end = start + len(masked(segment.text, spans, start=begins, end=ends))
        yield msgspec.structs.replace(entity, text=text[start:end], start=start, end=end)
