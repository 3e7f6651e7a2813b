"""What has a form by which it is known, but is said in two sentences or more, or stands on two lines of one: 'call 555
123', '4567 after six'.

Two readings of texts that follow each other find it: what is spoken goes on behind a full stop that the recogniser has
made up, and what is written goes on without a space behind a sign such as `@`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence

import msgspec

from services.nlp._masking import Span, patterned

_STOPS = " \t\r\n.,;:!?…"
_JOINS_BEHIND, _JOINS_BEFORE = "@-/_+", "@.-/_+"


class _Place(msgspec.Struct, frozen=True):
    """A text in a reading: its characters from `skipped` on stand there from `start` to `end`."""

    number: int
    start: int
    end: int
    skipped: int


class _Line(msgspec.Struct, frozen=True):
    """A line of a text, and where in it it begins."""

    number: int
    start: int
    text: str


def across(texts: Sequence[str], kinds: Collection[str]) -> list[list[Span]]:
    """For each of the texts, in order, its parts of all that stands in more than one of them or of their lines."""
    lines = list(_lines(texts))
    parts: list[list[Span]] = [[] for _ in texts]
    for line, spans in zip(lines, _across([line.text for line in lines], kinds), strict=True):
        parts[line.number] += [Span(line.start + span.start, line.start + span.end, span.kind) for span in spans]
    return parts


def _lines(texts: Sequence[str]) -> Iterator[_Line]:
    for number, text in enumerate(texts):
        start = 0
        for line in text.splitlines(keepends=True):
            yield _Line(number, start, line)
            start += len(line)


def _across(texts: Sequence[str], kinds: Collection[str]) -> list[list[Span]]:
    parts: list[list[Span]] = [[] for _ in texts]
    for reading, places in (_spoken(texts), _written(texts)):
        for found in patterned(reading, kinds):
            first = bisect_right(places, found.start, key=lambda place: place.end)
            behind = bisect_left(places, found.end, key=lambda place: place.start)
            for place in places[first:behind] if behind - first > 1 else ():
                start, end = max(found.start, place.start), min(found.end, place.end)
                said = reading[start:end].strip(_STOPS)
                start += reading[start:end].index(said) + place.skipped - place.start
                if said:
                    parts[place.number].append(Span(start, start + len(said), found.kind))
    return parts


def _spoken(texts: Sequence[str]) -> tuple[str, Sequence[_Place]]:
    return _joined((number, text, text.strip(_STOPS), " ") for number, text in enumerate(texts))


def _written(texts: Sequence[str]) -> tuple[str, Sequence[_Place]]:
    def pieces() -> Iterator[tuple[int, str, str, str]]:
        before = ""
        for number, text in enumerate(texts):
            core = text.strip()
            yield number, text, core, "" if _goes_on(before, core) else "\n"
            before = core or before

    return _joined(pieces())


def _goes_on(before: str, text: str) -> bool:
    ends, begins = before[-1:], text[:1]
    cut = ends == "." and (begins.islower() or begins.isdigit())
    return bool(ends and begins) and (cut or ends in _JOINS_BEHIND or begins in _JOINS_BEFORE)


def _joined(pieces: Iterator[tuple[int, str, str, str]]) -> tuple[str, Sequence[_Place]]:
    """The texts, each by its number, as a whole, and as what of it is read behind what comes between."""
    reading: list[str] = []
    places: list[_Place] = []
    length = 0
    for number, text, core, between in pieces:
        if core:
            start = length + len(between)
            places.append(_Place(number, start, start + len(core), text.index(core)))
            reading += [between, core]
            length = start + len(core)
    return "".join(reading), places
