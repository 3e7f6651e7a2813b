"""One channel of a recording: its speech is found, cut, transcribed and made into segments.

What a clip is and where a sentence ends depends on the recording and its language alone. That is what lets an attempt
go on behind a dead one: it listens again, which is fast, and passes over the clips that are written.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Sequence

import msgspec

from services.asr._clips import Clip, Cutter, Samples
from services.asr._recogniser import Heard, Hints, Recogniser
from services.asr._sentences import sentences
from shared.messages import Segment, Word
from shared.stage import Work

_SURE = 0.5
"""A language guessed with less certainty is guessed again with more speech, before anything is written …"""
_MOST_UNSURE_CLIPS = 3
"""… of which this much must be enough; the client is told then."""
_SHORTEST_SECONDS = 0.02
"""No word takes less: one that seems to has been squeezed by its neighbours."""
_LONGEST_SECONDS, _LONGEST_CHARACTER_SECONDS = 3.0, 0.2
"""No word takes more than this and this for each character: one that seems to has been stretched over speech behind it
that the recogniser has left out."""

_Spoken = tuple[Clip, Sequence[Word]]


class Channel:
    """Channel `number` of the recording; None stands for the mix of all.

    `pending` are the segments that are transcribed and not written yet, in order and not numbered. `language` is what
    is spoken, as soon as it is known; `language_score` how certain that is, None where nothing had to be guessed."""

    def __init__(self, work: Work, engine: Recogniser, number: int | None) -> None:
        written = [segment for segment in work.written if segment.channel == number]
        self.pending = deque[Segment]()
        self.language = written[-1].language if written else work.options.language
        self.language_score: float | None = None
        self.hints_cut = False
        self._work = work
        self._engine = engine
        self._number = number
        # Segments are written in order of time, so that what all channels say waits for the slowest of them.
        self._cutter = Cutter(patient=number is None)
        self._memory: object | None = None
        self._ready: list[Clip] = []
        self._held: list[Clip] = []
        self._size = 1
        self._ended = False
        self._written_until = written[-1].end if written else 0.0

    @property
    def speech(self) -> bytearray:
        """One byte per frame so far: 1 where somebody speaks."""
        return self._cutter.speech

    @property
    def unsure(self) -> bool:
        """Whether the language is half a guess."""
        return self.language_score is not None and self.language_score < _SURE

    @property
    def floor(self) -> float:
        """No segment to come starts before this, in seconds."""
        if self._ended:
            return math.inf
        waiting = [*self._held, *self._ready]
        start = waiting[0].start if waiting else self._cutter.floor
        return math.floor(start * 100) / 100  # as the times of words are rounded

    def expect_little(self) -> None:
        """The recording is short."""
        self._cutter.expect_little()

    async def hear(self, samples: Samples, *, until: float) -> AsyncIterator[None]:
        """Take the next whole frames; `until` is how long the recording is so far. Yields when there are new segments.

        Clips are transcribed the first alone, so that its text comes early, then more and more at once."""
        probabilities, self._memory = await self._work.compute(self._engine.listen, samples, self._memory)
        for clip in self._cutter.feed(samples, probabilities):
            self._ready.append(clip)
            if len(self._ready) == self._size:
                await self._transcribe(until)
                yield
        if self._ready and self._number is not None:
            await self._transcribe(until)
            yield

    async def end(self, *, until: float) -> None:
        """The recording has ended after `until` seconds: transcribe what is left."""
        self._ready += self._cutter.finish()
        self._ended = True
        if self._ready or self._held:
            await self._transcribe(until)

    async def _transcribe(self, until: float) -> None:
        """Make segments of what is ready, unless more should be heard first to be sure of the language; never of the
        last clips, behind which there is no more."""
        clips = [*self._held, *self._ready]
        self._held, self._ready = clips, []
        self._size = min(self._size * 2, self._engine.batch_size)
        if clips[-1].end > self._written_until:
            options = self._work.options
            hints = Hints(
                language=self.language,
                prompt=options.initial_prompt,
                hotwords=options.hotwords,
                english_unless=options.english_unless,
            )
            heard = await self._work.compute(self._engine.transcribe, [clip.samples for clip in clips], hints)
            unsure = heard.language_score is not None and heard.language_score < _SURE
            if unsure and len(clips) < _MOST_UNSURE_CLIPS and not self._ended:
                return
            if any(heard.clips) and self.language is None:
                self.language, self.language_score = heard.language, heard.language_score
            self.hints_cut = self.hints_cut or heard.hints_cut
            spoken = await self._with_rests(clips, heard, hints)
            self.pending += self._segments(spoken, heard.language, until, in_english=hints.in_english(heard.language))
        self._held = []

    async def _with_rests(self, clips: Sequence[Clip], heard: Heard, hints: Hints) -> Sequence[_Spoken]:
        """The clips with their words. Where the recogniser stopped in the middle, it is asked for the rest alone: it
        likes to take what is said again for a repetition of its own."""
        rests = [
            clip.behind(_over(words[-1])) if words else None for clip, words in zip(clips, heard.clips, strict=True)
        ]
        asked = [rest.samples for rest in rests if rest]
        hints = msgspec.structs.replace(hints, language=heard.language)
        more = iter((await self._work.compute(self._engine.transcribe, asked, hints)).clips if asked else ())
        spoken: list[_Spoken] = []
        for clip, words, rest in zip(clips, heard.clips, rests, strict=True):
            spoken.append((clip, words))
            if rest:
                spoken.append((rest, next(more)))
        return spoken

    def _segments(self, spoken: Sequence[_Spoken], language: str, until: float, *, in_english: bool) -> list[Segment]:
        """What is said behind what is written. What came in English though something else is spoken is its own
        translation."""
        return [
            Segment(
                index=0,
                start=sentence[0].start,
                end=sentence[-1].end,
                text=text,
                words=_stripped(sentence) if self._work.options.word_timestamps else (),
                language=language,
                translation=text if in_english else None,
                channel=self._number,
            )
            for clip, words in spoken
            for sentence in sentences(_placed(words, clip, until))
            if (sentence[0].start + sentence[-1].end) / 2 > self._written_until
            for text in ["".join(word.text for word in sentence).strip()]
        ]


def _placed(words: Sequence[Word], clip: Clip, length: float) -> list[Word]:
    """`words` at their times in the recording: in order, none ends before it starts, none behind the end."""
    placed: list[Word] = []
    earliest, latest = 0.0, math.floor(length * 100) / 100
    for word in words:
        start, end = clip.in_recording(word.start, _over(word))
        start = round(min(max(start, earliest), latest), 2)
        end = round(min(max(end, start + _SHORTEST_SECONDS), latest), 2)
        earliest = end
        placed.append(msgspec.structs.replace(word, start=start, end=end))
    return placed


def _over(word: Word) -> float:
    """When the word has been said at the latest, seconds."""
    return min(word.end, word.start + _LONGEST_SECONDS + _LONGEST_CHARACTER_SECONDS * len(word.text))


def _stripped(words: Sequence[Word]) -> tuple[Word, ...]:
    return tuple(msgspec.structs.replace(word, text=word.text.strip()) for word in words)
