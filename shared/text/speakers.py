"""Who said what: the turns of the speakers, and the words and sentences in them.

Who speaks is known for certain only when the whole recording has been heard. Until then segments carry the name that
was most likely when they were written, and it travels through the stages in their records. The asr stage's end record
has the turns as they are known at last: whoever shows a whole transcript, or counts by speaker, names its segments
by them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from shared.messages import Segment, Turn, Word


def speaker_name(number: int) -> str:
    """What speaker `number`, from 0, is called."""
    return f"SPEAKER_{number:02d}"


def named(segments: Iterable[Segment], turns: Sequence[Turn]) -> tuple[Segment, ...]:
    """`segments` with the speaker of each and of each of its words, by the turns of its channel; as they are where it
    has none. A word outside of all turns is said by whoever speaks next to it."""
    channels = {turn.channel for turn in turns}
    by_channel = {channel: _Turns([turn for turn in turns if turn.channel == channel]) for channel in channels}
    return tuple(_named(segment, by_channel.get(segment.channel)) for segment in segments)


class _Turns:
    """The turns on one channel, in order, none over another."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._ends = [turn.end for turn in self._turns]

    def shares(self, start: float, end: float) -> dict[str, float]:
        """Seconds of each speaker between `start` and `end`; the one who is nearest where nobody speaks."""
        place = bisect_left(self._ends, start)
        seconds: dict[str, float] = {}
        # By their places: a slice would copy the rest of the recording for each of its words.
        for number in range(place, len(self._turns)):
            turn = self._turns[number]
            if turn.start >= end:
                break
            shared = min(turn.end, end) - max(turn.start, start)
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + shared
        if any(seconds.values()):
            return seconds
        near = self._turns[max(0, place - 1) : place + 1]
        return {min(near, key=lambda turn: max(turn.start - end, start - turn.end)).speaker: 0.0}


def _named(segment: Segment, turns: _Turns | None) -> Segment:
    if turns is None:
        return segment
    words = tuple(_spoken(word, turns) for word in segment.words)
    return msgspec.structs.replace(segment, words=words, speaker=_most(turns.shares(segment.start, segment.end)))


def _spoken(word: Word, turns: _Turns) -> Word:
    return msgspec.structs.replace(word, speaker=_most(turns.shares(word.start, word.end)))


def _most(shares: dict[str, float]) -> str:
    return max(shares, key=shares.__getitem__)
