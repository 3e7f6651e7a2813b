"""From segments to subtitle cues that people can read: short enough for two lines, long enough to be seen.

Each stretch of speech by one speaker is cut where a sum of costs is least: a cue should end where a sentence ends, else
behind a comma or at a pause, else between words; hold one sentence; stand for a second at least; and be neither crammed
nor a scrap. The work grows with the length of the text, not with its square.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec

from shared.messages import Segment
from shared.text.linebreak import columns, pieces

LINE_COLUMNS, LINES = 42, 2
SHORTEST_MS, LONGEST_MS = 1_000, 7_000
PAUSE_MS = 1_000
"""A cue does not stand over a silence of this length."""
LABEL_COLUMNS = 20
"""A speaker's name before the text is cut to this, so that text fits beside it."""

_NOTED_PAUSE_MS = 300
_NEAR_CHARACTERS = 16
_NO_BREAK = frozenset("\u00a0\u2007\u202f")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]{2,}|[^\S \u00a0\u2007\u202f]|[\x00-\x1f\x7f-\x9f]")
_SENTENCE_END = re.compile(r"[.?!…。！？।؟]['\"”’»)\]」』]*$")
_CLAUSE_END = re.compile(r"[,;:、，；：–—]['\"”’»)\]」』]*$")


class Cue(msgspec.Struct, frozen=True, kw_only=True):
    """Text on the screen, from `start` to `end`, milliseconds from the start of the recording."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None = None


class _Atom(msgspec.Struct, frozen=True):
    """A piece of text with its time (ms). `cost` is what it costs to end a cue behind it."""

    text: str
    spaced: bool
    start: int
    end: int
    cost: float
    ends_segment: bool = False


def make_cues(segments: Sequence[Segment], *, duration: float, labelled: bool = False) -> list[Cue]:
    """The cues of `segments`: in order, none overlaps another, none ends behind `duration` (seconds), each with one or
    two lines of at most `LINE_COLUMNS`. A cue stands from its first word to its last; one that would stand for less
    than a second stays longer if nothing else is said. Where several speak at once, they share the time.

    `labelled` puts the name of the speaker before the text of each cue.
    """
    cues: list[Cue] = []
    runs = [run for run in _runs(segments) if run[1]]
    for at, (speaker, atoms) in enumerate(runs):
        following = runs[at + 1][1][0].start if at + 1 < len(runs) else round(duration * 1000)
        label = _label(speaker) if labelled else ""
        cues += _Run(atoms, following, label=label).cues(speaker)
    return _placed(cues, int(duration * 1000 + 0.001))


def one_line(text: str) -> str:
    """`text` without line breaks and other controls; each run of spaces is one."""
    return _BLANK.sub(lambda run: run[0][0] if _NO_BREAK.issuperset(run[0]) else " ", text).strip()


def _label(speaker: str | None) -> str:
    name = one_line(speaker or "")
    if columns(name) > LABEL_COLUMNS:
        unbroken = pieces(name.replace(" ", "\u00a0"), LABEL_COLUMNS - 1)[0]
        name = name[: unbroken.end].rstrip() + "…"
    return f"{name}:" if name else ""


def _runs(segments: Sequence[Segment]) -> Iterator[tuple[str | None, list[_Atom]]]:
    """Speaker and atoms of each stretch in which one speaks without a pause."""
    atoms: list[_Atom] = []
    speaker: str | None = None
    for segment in sorted(segments, key=lambda segment: segment.start):
        if segment.speaker != speaker:
            yield speaker, atoms
            atoms, speaker = [], segment.speaker
        for atom in _atoms(segment):
            if atoms and atom.start - atoms[-1].end >= PAUSE_MS:
                yield speaker, atoms
                atoms = []
            atoms.append(atom)
    yield speaker, atoms


def _atoms(segment: Segment) -> Iterator[_Atom]:
    text = one_line(segment.text)
    clock = _Clock(segment, text)
    parts = pieces(text, LINE_COLUMNS)
    times = [(clock.start_of(part.offset), clock.end_of(part.end)) for part in parts]
    for at, part in enumerate(parts):
        start, end = times[at]
        if at + 1 == len(parts):
            cost = 0.0
        elif _SENTENCE_END.search(part.text):
            cost = 0.1
        elif _CLAUSE_END.search(part.text) or times[at + 1][0] - end >= _NOTED_PAUSE_MS:
            cost = 0.3
        else:
            cost = 1.0
        yield _Atom(part.text, part.spaced or at == 0, start, max(start, end), cost, ends_segment=at + 1 == len(parts))


class _Clock:
    """When each character of a segment is said (ms): what the words tell, and evenly between what is known."""

    def __init__(self, segment: Segment, text: str) -> None:
        first, last = round(segment.start * 1000), round(max(segment.start, segment.end) * 1000)
        known = [(0, first)]
        cursor = 0
        for word in segment.words:
            spoken = one_line(word.text)
            at = text.find(spoken, cursor, cursor + len(spoken) + _NEAR_CHARACTERS) if spoken else -1
            if at >= 0:
                cursor = at + len(spoken)
                known += [(at, round(word.start * 1000)), (cursor, round(word.end * 1000))]
        known.append((len(text), last))
        self._offsets = [offset for offset, _ in known]
        self._times = list(accumulate((min(max(time, first), last) for _, time in known), max))

    def start_of(self, offset: int) -> int:
        """When the character at `offset` begins."""
        at = bisect_right(self._offsets, offset) - 1
        return self._between(at, min(at + 1, len(self._offsets) - 1), offset)

    def end_of(self, offset: int) -> int:
        """When the character before `offset` has been said."""
        at = bisect_left(self._offsets, offset)
        return self._between(max(at - 1, 0), at, offset)

    def _between(self, left: int, right: int, offset: int) -> int:
        before, behind = self._offsets[left], self._offsets[right]
        if before == behind:
            return self._times[left]
        share = (offset - before) / (behind - before)
        return round(self._times[left] + share * (self._times[right] - self._times[left]))


class _Run:
    """Speech without a pause, to be cut into cues. `following` is when the next is spoken (ms)."""

    def __init__(self, atoms: Sequence[_Atom], following: int, *, label: str) -> None:
        self._atoms = atoms
        self._label = label
        self._reserved = columns(label) + 1 if label else 0
        self._starts = [*accumulate((atom.start for atom in atoms), max), following]
        self._begins, self._ends = _extents(atoms)
        self._sentences = list(accumulate((atom.ends_segment for atom in atoms), initial=0))

    def cues(self, speaker: str | None) -> Iterator[Cue]:
        """The cues with the times at which they are spoken."""
        for first, last in pairwise(self._cuts()):
            yield Cue(
                start=self._starts[first],
                end=max(self._starts[first], self._atoms[last - 1].end),
                lines=self._lines(first, last),
                speaker=speaker,
            )

    def _cuts(self) -> list[int]:
        """The numbers of atoms between which cues begin and end, at the least cost."""
        costs, origins = [0.0], [0]
        for last in range(1, len(self._atoms) + 1):
            # The rest of a cue that ends here must fit the second line, and what is before it the first.
            second = bisect_left(self._begins, self._ends[last - 1] - LINE_COLUMNS, hi=last - 1)
            best, origin = float("inf"), last - 1
            for first in range(last - 1, -1, -1):
                if not self._fits(first, second, last):
                    break
                cost = costs[first] + self._cost(first, last)
                if cost < best:
                    best, origin = cost, first
            costs.append(best)
            origins.append(origin)
        cuts = [len(self._atoms)]
        while cuts[-1]:
            cuts.append(origins[cuts[-1]])
        return cuts[::-1]

    def _fits(self, first: int, second: int, last: int) -> bool:
        if first == last - 1:
            return True
        if self._atoms[last - 1].end - self._starts[first] > LONGEST_MS:
            return False
        return first >= second or self._reserved + self._width(first, second) <= LINE_COLUMNS

    def _cost(self, first: int, last: int) -> float:
        start = self._starts[first]
        seen = min(max(self._atoms[last - 1].end, start + SHORTEST_MS), self._starts[last]) - start
        haste = 2.0 + 4.0 * (1 - max(seen, 0) / SHORTEST_MS) if seen < SHORTEST_MS else 0.0
        fullness = self._width(first, last) / (LINES * LINE_COLUMNS)
        mixed = self._sentences[last - 1] - self._sentences[first]
        return 1.0 + fullness * fullness + haste + 1.5 * mixed + self._atoms[last - 1].cost

    def _width(self, first: int, last: int) -> int:
        return self._ends[last - 1] - self._begins[first]

    def _lines(self, first: int, last: int) -> tuple[str, ...]:
        """The text of a cue: on one line if it fits, else on two of about the same length."""
        text = self._text(first, last)
        if self._reserved + self._width(first, last) <= LINE_COLUMNS:
            return (f"{self._label} {text}" if self._label else text,)
        splits = range(first if self._label else first + 1, last)
        at = min(splits, key=lambda split: self._raggedness(first, split, last))
        return (f"{self._label} {self._text(first, at)}".strip(), self._text(at, last))

    def _raggedness(self, first: int, split: int, last: int) -> tuple[bool, float]:
        upper = self._reserved + (self._width(first, split) if split > first else 0)
        lower = self._width(split, last)
        cost = self._atoms[split - 1].cost if split > first else 1.0
        return max(upper, lower) > LINE_COLUMNS, abs(upper - lower) + 10 * cost

    def _text(self, first: int, last: int) -> str:
        return "".join(f" {atom.text}" if atom.spaced else atom.text for atom in self._atoms[first:last]).strip()


def _extents(atoms: Sequence[_Atom]) -> tuple[list[int], list[int]]:
    """The columns at which each atom begins and ends on a line that holds them all."""
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for atom in atoms:
        begins.append(at + atom.spaced)
        at = begins[-1] + columns(atom.text)
        ends.append(at)
    return begins, ends


def _placed(cues: Sequence[Cue], end: int) -> list[Cue]:
    """`cues` at times that do not overlap and do not go beyond `end`."""
    ordered = sorted(cues, key=lambda cue: cue.start)
    starts = [cue.start for cue in ordered[:1]]
    for before, cue in pairwise(ordered):
        shared = min(before.end, starts[-1] + SHORTEST_MS, (starts[-1] + cue.end) // 2)
        starts.append(max(cue.start, shared, starts[-1] + 1))
    count = len(starts)
    starts = [min(start, end - count + at) for at, start in enumerate(starts)]
    limits = [*starts, end][1:]
    return [
        msgspec.structs.replace(cue, start=start, end=min(max(cue.end, start + SHORTEST_MS), start + LONGEST_MS, limit))
        for cue, start, limit in zip(ordered, starts, limits, strict=True)
        if start >= 0
    ]
