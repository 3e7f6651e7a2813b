"""Where somebody speaks, and how speech is cut into clips for the recogniser. Pure: numbers in, numbers out.

A recording is a row of frames of 32 ms, each with the probability that somebody speaks in it. The cutter keeps the
frames of speech and a little silence around them, and makes clips of up to 30 s of what it keeps. A clip ends in the
longest pause that is near enough to its limit, because a recogniser guesses badly at the edge of a sentence that it
does not see whole. The first clip of a long recording is short, so that its text comes early.

Clips depend on the audio alone, not on the windows in which it arrives: an attempt that goes on behind a dead one cuts
the same clips. What is held is never more than one clip.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16_000
FRAME = 512
"""Samples of a frame."""
FRAME_SECONDS = FRAME / RATE

_ONSET = 0.5
"""From this probability on somebody speaks …"""
_OFFSET = 0.35
"""… until it falls below this one."""
_PAD = 12
"""Frames that are kept on both sides of speech: soft beginnings and endings of words lie there."""
_CLICK = 2
"""So many frames of speech between two silences are a click."""
_REMARK = 50
"""More frames of speech than this, 1.6 s, are more than a word."""
_LIMIT = 937
"""Frames in 30 s, which is what Whisper sees at once."""
_FIRST_LIMIT = 312
_LEAST = 0.85
"""A clip holds at least this share of its limit, so that pauses are worth waiting for but clips stay few …"""
_FIRST_LEAST = 0.5
"""… except the first, which may end in any pause from 5 s on."""


class Frame(msgspec.Struct, frozen=True):
    """Frame number `index` of the recording, from 0. `speech` tells whether somebody speaks in it."""

    index: int
    samples: Samples
    probability: float
    speech: bool


class Clip:
    """What the recogniser hears at once: frames of the recording in order, long silences left out."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self.samples: Samples = np.concatenate([frame.samples for frame in frames])
        self._indices = [frame.index for frame in frames]
        self._speech = [frame.speech for frame in frames]

    @property
    def start(self) -> float:
        """Seconds from the start of the recording."""
        return self._indices[0] * FRAME_SECONDS

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return (self._indices[-1] + 1) * FRAME_SECONDS

    def in_recording(self, start: float, end: float) -> tuple[float, float]:
        """A word's times within the clip as times in the recording, seconds.

        The word lies in the stretch of speech where its middle lies. A recogniser stretches words over the pauses
        beside them: silence at the edges of the word is not part of it."""
        last = len(self._indices) - 1
        first_frame = min(max(int(start / FRAME_SECONDS), 0), last)
        last_frame = min(max(math.ceil(end / FRAME_SECONDS) - 1, first_frame), last)
        middle = min(max(int((start + end) / 2 / FRAME_SECONDS), first_frame), last_frame)
        left, right = self._stretch(middle, first_frame, last_frame)
        from_frame, to_frame = self._trim(left, right)
        offset = self._indices[middle] - middle
        mapped_start = max(start, from_frame * FRAME_SECONDS) + offset * FRAME_SECONDS
        mapped_end = min(end, (to_frame + 1) * FRAME_SECONDS) + offset * FRAME_SECONDS
        return mapped_start, max(mapped_start, mapped_end)

    def behind(self, seconds: float) -> "Clip | None":
        """The rest of the clip behind `seconds` of it, if somebody speaks there for longer than a word takes."""
        frames = self._frames[math.ceil(max(seconds, 0.0) / FRAME_SECONDS) :]
        spoken = [place for place, frame in enumerate(frames) if frame.speech]
        return Clip(frames[max(0, spoken[0] - _PAD) :]) if len(spoken) > _REMARK else None

    def _stretch(self, middle: int, first: int, last: int) -> tuple[int, int]:
        """The frames around `middle` that follow each other in the recording, within `first` to `last`."""
        offset = self._indices[middle] - middle
        while self._indices[first] - first != offset:
            first += 1
        while self._indices[last] - last != offset:
            last -= 1
        return first, last

    def _trim(self, first: int, last: int) -> tuple[int, int]:
        """The same without silent frames at the edges, but for one on each side."""
        spoken = [frame for frame in range(first, last + 1) if self._speech[frame]]
        if not spoken:
            return first, last
        return max(first, spoken[0] - 1), min(last, spoken[-1] + 1)


class Cutter:
    """Cuts a recording into clips as it arrives."""

    def __init__(self, *, patient: bool = True) -> None:
        """A patient one fills a clip however long ago it has begun; others wait for what this one says, so an impatient
        one hands on after as long a time as a clip may last."""
        self._patient = patient
        self.speech = bytearray()
        """One byte per frame so far: 1 where somebody speaks."""
        self._speaking = 0
        self._keep_until = -1
        self._before: deque[Frame] = deque(maxlen=_PAD + _CLICK)
        self._kept: list[Frame] = []
        self._limit, self._least = _FIRST_LIMIT, _FIRST_LEAST

    def expect_little(self) -> None:
        """The recording is short: a short first clip would bring its text no earlier and cost a second run."""
        self._limit, self._least = _LIMIT, _LEAST

    def feed(self, samples: Samples, probabilities: Sequence[float]) -> Iterator[Clip]:
        """Take the next whole frames and their probabilities. Yields the clips that they complete."""
        for row, probability in zip(samples.reshape(-1, FRAME), probabilities, strict=True):
            speech = probability >= (_OFFSET if self._speaking else _ONSET)
            self._keep(Frame(len(self.speech), row, probability, speech))
            self.speech.append(speech)
            if len(self._kept) > self._limit:
                yield self._cut()
            elif not self._patient and self._grown_old():
                yield from self.finish()
                self.expect_little()

    @property
    def floor(self) -> float:
        """No clip to come starts before this, in seconds from the start of the recording."""
        first = self._kept[0].index if self._kept else len(self.speech) - len(self._before)
        return first * FRAME_SECONDS

    def finish(self) -> Iterator[Clip]:
        """Nothing more belongs to what is kept. Yields what is left."""
        if self._kept:
            clip, self._kept = Clip(self._kept), []
            yield clip

    def _keep(self, frame: Frame) -> None:
        """Keep `frame` if it is speech or near it; once speech is certain, also what came just before."""
        self._speaking = self._speaking + 1 if frame.speech else 0
        if self._speaking > _CLICK:
            self._keep_until = frame.index + _PAD
            self._kept += self._before
            self._before.clear()
        if frame.index <= self._keep_until:
            self._kept.append(frame)
        else:
            self._before.append(frame)

    def _grown_old(self) -> bool:
        """Whether what is kept is at an end and has begun as long ago as a clip may last."""
        now = len(self.speech)
        return bool(self._kept) and now > self._keep_until + 1 and now - self._kept[0].index > self._limit

    def _cut(self) -> Clip:
        at = self._best_cut()
        clip, self._kept = Clip(self._kept[:at]), self._kept[at:]
        self._limit, self._least = _LIMIT, _LEAST
        return clip

    def _best_cut(self) -> int:
        """The kept frame before which to cut: in the longest pause, or else where speech is least certain."""
        least, most = int(self._limit * self._least), self._limit
        best, longest = 0, 0
        for first, last in self._pauses():
            seams = [i for i in range(first + 1, last + 1) if self._follows_a_gap(i)]
            at = seams[-1] if seams else (first + last + 1) // 2
            length = self._kept[last].index - self._kept[first].index + 1
            if least <= at <= most and length >= longest:
                best, longest = at, length
        return best or min(range(least, most), key=lambda i: (self._kept[i].probability, -i))

    def _pauses(self) -> Iterator[tuple[int, int]]:
        """First and last frame of each run of kept frames without speech."""
        first: int | None = None
        for i, frame in enumerate(self._kept):
            if not frame.speech and first is None:
                first = i
            elif frame.speech and first is not None:
                yield first, i - 1
                first = None

    def _follows_a_gap(self, i: int) -> bool:
        return self._kept[i].index != self._kept[i - 1].index + 1
