"""Who speaks in a recording, told while it is heard. The models are behind `Diarizer`; here are windows and names.

Of the sound only what the voices are like is kept until the end, some megabytes an hour. While the recording is heard,
each voice is taken for the person whom it resembles most among those heard before: a guess. At the end all voices are
compared with each other; only then is it known who is who, and how many there are. Both depend on the recording alone:
an attempt that goes on behind a dead one listens again, and says the same.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.asr._clips import RATE, Samples
from services.asr._voices import NOBODY, Diarizer, Persons, Spell, Voices
from shared.messages import Segment, Turn
from shared.stage import Work
from shared.text.speakers import named, speaker_name

_AT_ONCE = 16
"""Windows that one call hears: seconds on processors, so that other tasks get their turn and a cancelled one ends."""
_BLOCK_SECONDS = 300.0
"""Turns are made of so much of a recording at a time: what is needed for that is far more than what is kept."""
_ENOUGH = 0.2
"""Who speaks alone for less than this share of a window is nobody new: a print of so little says little."""


class Speakers:
    """The speakers of one recording, on all of its channels together: a voice on two of them is one person."""

    def __init__(self, work: Work, diarizer: Diarizer | None) -> None:
        """Without a diarizer nothing is heard, and nobody named."""
        self._work = work
        self._diarizer = diarizer
        self._tracks: dict[int | None, _Track] = {}
        options = work.options
        self._least = options.num_speakers or options.min_speakers
        self._most = options.num_speakers or options.max_speakers
        self._acquaintances = _Acquaintances(diarizer.strangeness, self._most) if diarizer else None

    @property
    def told(self) -> bool:
        """Whether speakers are told apart."""
        return self._diarizer is not None

    async def hear(self, number: int | None, samples: Samples | None) -> None:
        """Take the next samples of channel `number`; None at its end."""
        if not (self._diarizer and self._acquaintances):
            return
        track = self._tracks.setdefault(number, _Track(self._diarizer))
        windows = list(track.rest() if samples is None else track.windows(samples))
        for start in range(0, len(windows), _AT_ONCE):
            for voices in await self._work.compute(self._diarizer.hear, windows[start : start + _AT_ONCE]):
                track.voices.append(voices)
                track.persons.append(self._acquaintances.recognise(voices))

    async def guessed(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """`segments` with the names of those who most likely speak."""
        if not (self._tracks and segments):
            return segments
        start, end = min(segment.start for segment in segments), max(segment.end for segment in segments)
        turns: list[Turn] = []
        for number, track in self._tracks.items():
            spells = await self._work.compute(track.spells, track.persons, start, end)
            turns += [_turn(spell, speaker_name(spell.person), number) for spell in spells]
        return named(segments, turns)

    async def turns(self) -> tuple[Turn, ...]:
        """Who speaks when, now that all is heard. Speakers are numbered in the order in which they are first heard."""
        voices = [voices for track in self._tracks.values() for voices in track.voices]
        if not (self._diarizer and voices):
            return ()
        compare = self._diarizer.tell_apart
        persons = await self._work.compute(compare, voices, least=self._least, most=self._most)
        spells: list[tuple[Spell, int | None]] = []
        for number, track in self._tracks.items():
            own, persons = persons[: len(track.voices)], persons[len(track.voices) :]
            for block in range(math.ceil(track.seconds / _BLOCK_SECONDS)):
                start, end = block * _BLOCK_SECONDS, min((block + 1) * _BLOCK_SECONDS, track.seconds)
                spells += [(spell, number) for spell in await self._work.compute(track.spells, own, start, end)]
        names: dict[int, str] = {}
        for spell, _ in sorted(spells, key=lambda each: each[0].start):
            names.setdefault(spell.person, speaker_name(len(names)))
        return tuple(_turn(spell, names[spell.person], number) for spell, number in spells)


def _turn(spell: Spell, speaker: str, number: int | None) -> Turn:
    return Turn(start=round(spell.start, 2), end=round(spell.end, 2), speaker=speaker, channel=number)


class _Track:
    """What is heard on one channel."""

    def __init__(self, diarizer: Diarizer) -> None:
        self.voices: list[Voices] = []
        self.persons: list[Persons] = []
        """Who they were taken for when they were heard."""
        self._diarizer = diarizer
        self._rest: Samples = np.zeros(0, np.float32)
        self._samples = 0

    @property
    def seconds(self) -> float:
        """How much is heard."""
        return self._samples / RATE

    def windows(self, samples: Samples) -> Iterator[Samples]:
        """The windows that are whole with `samples`."""
        self._samples += len(samples)
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= self._diarizer.window:
            yield self._rest[: self._diarizer.window]
            self._rest = self._rest[self._diarizer.step :]

    def rest(self) -> Iterator[Samples]:
        """The last window, filled up with silence, if it has sound that no other has."""
        heard_before = self._diarizer.window - self._diarizer.step if self.voices else 0
        if len(self._rest) > heard_before:
            yield np.pad(self._rest, (0, self._diarizer.window - len(self._rest)))

    def spells(self, persons: Sequence[Persons] | Persons, start: float, end: float) -> Sequence[Spell]:
        """Who speaks between `start` and `end`, as far as it is heard, if the voices are those `persons`."""
        step, window = self._diarizer.step / RATE, self._diarizer.window / RATE
        first, behind = max(0, int((start - window) / step)), int(end / step) + 1
        if first >= len(self.voices):
            return []
        found = self._diarizer.spells(self.voices[first:behind], np.asarray(persons[first:behind]))
        moved = (Spell(spell.start + first * step, spell.end + first * step, spell.person) for spell in found)
        clipped = (Spell(max(spell.start, start), min(spell.end, end), spell.person) for spell in moved)
        return [spell for spell in clipped if spell.end > spell.start]


class _Acquaintances:
    """The persons heard so far, each by the sum of the prints of its voice."""

    def __init__(self, strangeness: float, most: int | None) -> None:
        self._strangeness = strangeness
        self._most = most
        self._sums: list[NDArray[np.floating[Any]]] = []

    def recognise(self, voices: Voices) -> Persons:
        """Who the voices of the next window most likely are; no two of them are the same person. Who is like nobody is
        somebody new, unless it is known that there are no more."""
        alone = voices.active & (voices.active.sum(axis=1, keepdims=True) == 1)
        shares = alone.mean(axis=0)
        persons = np.full(len(voices.prints), NOBODY, np.int64)
        for voice in np.argsort(-shares, kind="stable"):
            own = voices.prints[voice]
            if np.isnan(own).any():
                continue
            own = own / np.linalg.norm(own)
            distances = [
                np.inf if number in persons else 1.0 - float(own @ total) / float(np.linalg.norm(total))
                for number, total in enumerate(self._sums)
            ]
            nearest = int(np.argmin(distances)) if distances else NOBODY
            strange = not distances or distances[nearest] > self._strangeness
            if strange and shares[voice] >= _ENOUGH and (self._most is None or len(self._sums) < self._most):
                self._sums.append(own)
                nearest = len(self._sums) - 1
            elif distances and np.isinf(distances[nearest]):
                continue
            elif nearest != NOBODY and shares[voice] >= _ENOUGH:
                self._sums[nearest] = self._sums[nearest] + own
            persons[voice] = nearest
        return persons
