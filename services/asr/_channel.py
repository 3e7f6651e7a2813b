"""One channel of a recording: its speech is found, cut, transcribed and made into segments.

What a clip is and where a sentence ends depends on the recording and its language alone. That is what lets an attempt
go on behind a dead one: it listens again, which is fast, and passes over the clips that are written.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec

from services.asr._clips import RATE, Clip, Cutter, Samples
from services.asr._notices import CLAMPED
from services.asr._sentences import sentences
from services.asr.protocol import Engine, Heard, Hints, Request, in_english
from shared.messages import Segment, Word
from shared.stage import Work

SURE = 0.5
"""A language guessed with less certainty is guessed again with more speech, before anything is written …"""
_MOST_UNSURE_CLIPS = 3
"""… of which this much must be enough; the client is told then."""
_BEYOND_SECONDS = 0.5
"""A recogniser that times a word so far behind the end of a clip is wrong about it, not merely inexact."""
_SHORTEST_SECONDS = 0.02
"""No word takes less: one that seems to has been squeezed by its neighbours."""
_LONGEST_SECONDS, _LONGEST_CHARACTER_SECONDS = 3.0, 0.2
"""No word takes more than this and this for each character: one that seems to has been stretched over speech behind it
that the recogniser has left out."""


class _Spoken(msgspec.Struct, frozen=True):
    """A clip, its words, what they are in, and how likely that is if it was guessed."""

    clip: Clip
    words: Sequence[Word]
    language: str
    score: float | None


class Channel:
    """Channel `number` of the recording; None stands for the mix of all.

    `pending` are the segments that are transcribed and not written yet, in order and not numbered. `language` is that
    of the first of all, as soon as it is known: another attempt reads it from what is written."""

    def __init__(self, work: Work, engine: Engine, number: int | None) -> None:
        written = [segment for segment in work.written if segment.channel == number]
        self.pending = deque[Segment]()
        self.language = written[0].language if written else work.options.language
        self._work = work
        self._engine = engine
        self.number = number
        # Segments are written in order of time, so that what all channels say waits for the slowest of them.
        self._cutter = Cutter(patient=number is None)
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

    async def hear(self, samples: Samples, speech: Sequence[float], *, until: float) -> AsyncIterator[None]:
        """Take the next whole frames, and how likely somebody speaks in each; `until` is how long the recording is so
        far. Yields when there are new segments.

        Clips are transcribed the first alone, so that its text comes early, then more and more at once."""
        for clip in self._cutter.feed(samples, speech):
            self._ready.append(clip)
            if len(self._ready) == self._size:
                await self._transcribe(until)
                yield
        if self._ready and self.number is not None:
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
            heard = await self._heard(clips)
            unsure = heard.language_score is not None and heard.language_score < SURE
            if unsure and len(clips) < _MOST_UNSURE_CLIPS and not self._ended:
                return
            segments = self._segments(await self._with_rests(clips, heard), until)
            self.language = self.language or next((segment.language for segment in segments), None)
            self.pending += segments
        self._held = []

    async def _heard(self, clips: Sequence[Clip], *, language: str | None = None) -> Heard:
        """What is said in `clips`, which are in `language` if that is known. Other tasks' clips may be heard with them;
        the first of a task go before the later ones of others, so that its text comes early."""
        options = self._work.options
        hints = Hints(
            language=options.language or language,
            likely=self.language,
            prompt=options.initial_prompt,
            hotwords=options.hotwords,
            english_unless=options.english_unless,
        )
        request = Request(clips=[clip.samples for clip in clips], hints=hints)
        return await self._work.share(
            self._engine.transcribe,
            request,
            weight=self._engine.effort(request.clips),
            most=self._engine.batch_size,
            urgent=not self._work.written,
        )

    async def _with_rests(self, clips: Sequence[Clip], heard: Heard) -> Sequence[_Spoken]:
        """The clips with their words. Where the recogniser stopped in the middle, it is asked for the rest alone: it
        likes to take what is said again for a repetition of its own."""
        spoken: list[_Spoken] = []
        for clip, words, language, score in zip(clips, heard.clips, heard.languages, heard.scores, strict=True):
            spoken.append(_Spoken(clip, words, language, score))
            rest = clip.behind(_over(words[-1])) if words else None
            if rest:
                more = await self._heard([rest], language=language)
                spoken.append(_Spoken(rest, more.clips[0], language, score))
        return spoken

    def _segments(self, spoken: Sequence[_Spoken], until: float) -> list[Segment]:
        """What is said behind what is written. What came in English though something else is spoken is its own
        translation."""
        return [
            Segment(
                index=0,
                start=sentence[0].start,
                end=sentence[-1].end,
                text=text,
                words=_stripped(sentence) if self._work.options.word_timestamps else (),
                language=heard.language,
                language_score=heard.score,
                translation=text if in_english(heard.language, self._work.options.english_unless) else None,
                channel=self.number,
                flags=(CLAMPED,) if clamped else (),
            )
            for heard in spoken
            for sentence, clamped in _sentences(heard, until)
            if (sentence[0].start + sentence[-1].end) / 2 > self._written_until
            for text in ["".join(word.text for word in sentence).strip()]
        ]


def _sentences(heard: _Spoken, until: float) -> Iterator[tuple[list[Word], bool]]:
    """What is said, sentence by sentence at its times in the recording, and whether a word of it was timed behind the
    end of what was heard."""
    length = len(heard.clip.samples) / RATE
    beyond = iter([word.end > length + _BEYOND_SECONDS for word in heard.words])
    for sentence in sentences(_placed(heard.words, heard.clip, until)):
        yield sentence, any([next(beyond) for _ in sentence])  # noqa: C419 - all of them, also behind the first


def _placed(words: Sequence[Word], clip: Clip, length: float) -> list[Word]:
    """`words` at their times in the recording: in order, none ends before it starts, none behind the end of the clip.
    Each leaves room for those behind it, so that no two sentences end at the same time."""
    placed: list[Word] = []
    earliest, end_of_clip = 0.0, math.floor(min(length, clip.end) * 100) / 100
    for left, word in zip(range(len(words) - 1, -1, -1), words, strict=True):
        latest = max(earliest, end_of_clip - left * _SHORTEST_SECONDS)
        start, end = clip.in_recording(word.start, _over(word))
        start = round(max(earliest, min(start, latest - _SHORTEST_SECONDS)), 2)
        end = round(min(max(end, start + _SHORTEST_SECONDS), latest), 2)
        earliest = end
        placed.append(msgspec.structs.replace(word, start=start, end=end))
    return placed


def _over(word: Word) -> float:
    """When the word has been said at the latest, seconds."""
    return min(word.end, word.start + _LONGEST_SECONDS + _LONGEST_CHARACTER_SECONDS * len(word.text))


def _stripped(words: Sequence[Word]) -> tuple[Word, ...]:
    return tuple(msgspec.structs.replace(word, text=word.text.strip()) for word in words)
