"""Speech to sentences: decode, find speech, transcribe it clip by clip, write each sentence as soon as it stands.

What a clip is and where a sentence ends depends on the recording and its language alone. That is what lets an attempt
go on behind a dead one: it listens again, which is fast, passes over the clips that are written, and numbers on.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np

from services.asr import _notices
from services.asr._clips import FRAME, FRAME_SECONDS, Clip, Cutter, Samples
from services.asr._sentences import sentences
from shared.audio import SAMPLE_RATE, Windows, decode_windows
from shared.errors import Permanent
from shared.messages import Document, Notice, Segment, StageName, Step, Transcript, TranscriptPart, Word
from shared.stage import Emit, Engine, PartialText, Stage, Work

_WINDOW = 384 * FRAME
"""Samples that are decoded at a time: about 12 s."""
_FIRST_WINDOWS, _MOST_WINDOWS = 2, 4
"""So many windows are listened to at once: few at first, and never so few that a busy engine is asked all the time."""
_SURE = 0.5
"""A language guessed with less certainty is guessed again with more speech, before anything is written …"""
_MOST_UNSURE_CLIPS = 3
"""… of which this much must be enough; the client is told then."""
_NEAR_SECONDS = 0.3
"""Speech this near to a segment counts as covered: word times are no more exact than that."""
_SHORTEST_SECONDS = 0.02
"""No word takes less: one that seems to has been squeezed by its neighbours."""
_LONGEST_SECONDS, _LONGEST_CHARACTER_SECONDS = 3.0, 0.2
"""No word takes more than this and this for each character: one that seems to has been stretched over speech behind it
that the recogniser has left out."""
_USUAL_SECONDS = 60.0
"""The length that is assumed of a recording that does not say its own, for the progress."""


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What the client told about the recording. `language` is None to detect it."""

    language: str | None = None
    prompt: str | None = None
    hotwords: str | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the recogniser made of some clips. `language_score` is 0 to 1, None when nothing had to be guessed.

    `clips` has the words of each clip in order: times in seconds from the start of the clip, texts with the space that
    goes before them. `hints_cut` tells that prompt and hotwords were too long and have been cut."""

    language: str
    language_score: float | None
    clips: Sequence[Sequence[Word]]
    hints_cut: bool = False


class Recogniser(Engine, Protocol):
    """Speech recognition. One call takes seconds at most."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes of what it understands."""
        ...

    @property
    def batch_size(self) -> int:
        """How many clips it likes to get at once."""
        ...

    @property
    def longest_seconds(self) -> float:
        """The longest recording that it is given."""
        ...

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples, and what it wants back at the next call.

        `samples` are whole frames at 16 kHz; `memory` is None at the start of a recording."""
        ...

    def transcribe(self, clips: Sequence[Samples], hints: Hints) -> Heard:
        """The words of each clip, at most 30 s at 16 kHz. A clip in which nothing is said comes back empty."""
        ...


_Spoken = tuple[Clip, Sequence[Word]]


async def run(work: Work, engine: Recogniser, emit: Emit) -> Document:
    """The transcript of the recording. Raises `Permanent` when it cannot be read or its language not be transcribed."""
    language = work.options.language
    if language is not None and language not in engine.languages:
        raise Permanent("unsupported_language", f"Speech in the language '{language}' cannot be transcribed here.")
    # The gateway has counted before: this stops what has deceived it. Decoders bring a little more or less than that.
    longest = engine.longest_seconds * 1.01 + 1.0
    windows = decode_windows(await work.audio(), _WINDOW / SAMPLE_RATE, longest=longest)
    transcription = _Transcription(work, engine, emit, windows)
    held: list[Clip] = []
    async for clips in transcription.batches():
        held += clips
        if await transcription.write(held):
            held = []
    return transcription.finish()


class _Transcription:
    """The work on one recording."""

    def __init__(self, work: Work, engine: Recogniser, emit: Emit, windows: Windows) -> None:
        self._work = work
        self._engine = engine
        self._emit = emit
        self._windows = windows
        self._cutter = Cutter()
        self._all_cut = False
        self._written_until = work.written[-1].end if work.written else 0.0
        self._language = work.written[-1].language if work.written else work.options.language
        self._language_score: float | None = None
        self._hints_cut = False

    async def batches(self) -> AsyncIterator[Sequence[Clip]]:
        """The clips of the recording: the first alone, so that its text comes early, then more and more at once."""
        size, ready = 1, list[Clip]()
        async for clip in self._clips():
            ready.append(clip)
            if len(ready) == size:
                yield ready
                size, ready = min(size * 2, self._engine.batch_size), []
        if ready:
            yield ready

    async def _clips(self) -> AsyncIterator[Clip]:
        memory: object | None = None
        count = _FIRST_WINDOWS
        while len(samples := await asyncio.to_thread(_read, self._windows, count)):
            probabilities, memory = await self._work.compute(self._engine.listen, samples, memory)
            if count == _FIRST_WINDOWS and len(samples) < count * _WINDOW:
                self._cutter.expect_little()
            for clip in self._cutter.feed(samples, probabilities):
                yield clip
            count = _MOST_WINDOWS
        self._all_cut = True
        for clip in self._cutter.finish():
            yield clip

    async def write(self, clips: Sequence[Clip]) -> bool:
        """Write what is said in `clips`. False when more should be heard first to be sure of the language; never for
        the last clips, behind which there is no more."""
        if clips[-1].end <= self._written_until:
            return True
        options = self._work.options
        hints = Hints(language=self._language, prompt=options.initial_prompt, hotwords=options.hotwords)
        heard = await self._work.compute(self._engine.transcribe, [clip.samples for clip in clips], hints)
        unsure = heard.language_score is not None and heard.language_score < _SURE
        if unsure and len(clips) < _MOST_UNSURE_CLIPS and not self._all_cut:
            return False
        if any(heard.clips) and self._language is None:
            self._language, self._language_score = heard.language, heard.language_score
        self._hints_cut = self._hints_cut or heard.hints_cut
        spoken = await self._with_rests(clips, heard, hints)
        segments = self._segments(spoken, heard.language)
        await self._emit.segments(segments, done=self._share(clips[-1].end))
        return True

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

    def _segments(self, spoken: Sequence[_Spoken], language: str) -> list[Segment]:
        """What is said behind what is written."""
        segments: list[Segment] = []
        for clip, words in spoken:
            for sentence in sentences(_placed(words, clip, self._windows.seconds)):
                first, last = sentence[0], sentence[-1]
                if (first.start + last.end) / 2 <= self._written_until:
                    continue
                segments.append(
                    Segment(
                        index=len(self._work.written) + len(segments) + 1,
                        start=first.start,
                        end=last.end,
                        text="".join(word.text for word in sentence).strip(),
                        words=_stripped(sentence) if self._work.options.word_timestamps else (),
                        language=language,
                    )
                )
        return segments

    def _share(self, seconds: float) -> float:
        """How much of the recording lies before `seconds`, 0 to 1. A guess where its header tells no length."""
        length = self._windows.claimed or seconds + _USUAL_SECONDS
        return min(1.0, seconds / max(length, self._windows.seconds))

    def finish(self) -> Document:
        """Announce that the transcript is complete."""
        segments = tuple(self._work.written)
        duration = round(self._windows.seconds, 3)
        warnings = tuple(self._warnings())
        transcript = Transcript(
            transcript=" ".join(segment.text for segment in segments),
            language=self._language,
            duration=duration,
            segments=segments,
        )
        self._emit.step(Step.TRANSCRIPTION_COMPLETE, transcript, warnings)
        return Document(
            segments=len(segments),
            duration=duration,
            language=self._language,
            language_score=self._language_score,
            coverage=_coverage(self._cutter.speech, segments),
            warnings=warnings,
        )

    def _warnings(self) -> Iterator[Notice]:
        if self._windows.damaged:
            yield _notices.damaged(self._windows.seconds, self._windows.claimed)
        if not self._work.written:
            yield _notices.no_speech()
        if self._language_score is not None and self._language_score < _SURE:
            yield _notices.unsure(self._language)
        if self._hints_cut:
            yield _notices.hints_cut()
        yield from _notices.not_done(self._work.options)


def _read(windows: Windows, count: int) -> Samples:
    """Up to `count` windows as whole frames, the last filled up with silence; empty at the end of the recording."""
    taken = [window for _, window in zip(range(count), windows)]  # noqa: B905 - whichever ends first
    samples = np.concatenate([np.zeros((1, 0), np.float32), *taken], axis=1)[0]
    return np.pad(samples, (0, -len(samples) % FRAME))


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


def _coverage(speech: bytearray, segments: Sequence[Segment]) -> float:
    """The share of frames with speech that lie in a segment; 1.0 where nobody speaks."""
    spoken = np.frombuffer(speech, np.uint8).astype(bool)
    covered = np.zeros(len(spoken), bool)
    for segment in segments:
        start = max(0.0, segment.start - _NEAR_SECONDS)
        covered[int(start / FRAME_SECONDS) : int((segment.end + _NEAR_SECONDS) / FRAME_SECONDS) + 1] = True
    total = int(spoken.sum())
    return round(float((spoken & covered).sum() / total), 3) if total else 1.0


def _part(text: str | None, segment: Segment) -> TranscriptPart:
    return TranscriptPart(transcript=text, segment=segment)


STAGE = Stage(
    name=StageName.ASR,
    run=run,
    partial=PartialText(step=Step.TRANSCRIPTION, text=lambda segment: segment.text, part=_part),
)
