"""Speech to sentences: decode, find speech, transcribe it clip by clip, write each sentence as soon as it stands.

The channels of a recording are mixed, or each is transcribed for itself; then their sentences are written in the order
of time. An attempt that goes on behind a dead one finds the same sentences in the same order, and numbers on.
"""

from collections.abc import Iterator, Sequence
from contextlib import aclosing

import msgspec
import numpy as np

from services.asr import _notices
from services.asr._channel import SURE, Channel
from services.asr._clips import FRAME_SECONDS
from services.asr._listening import WINDOW_SECONDS, Piece, heard
from services.asr._speakers import Speakers
from services.asr.protocol import Engine, Hints
from shared.audio import Windows, decode_windows
from shared.errors import Permanent
from shared.events import said
from shared.messages import Document, Notice, Segment, StageName, Step, Transcript, TranscriptPart, Turn
from shared.stage import Emit, PartialText, Stage, Work
from shared.text.speakers import named

_NEAR_SECONDS = 0.3
"""Speech this near to a segment counts as covered: word times are no more exact than that."""
_USUAL_SECONDS = 60.0
"""The length that is assumed of a recording of which nothing is known, for the progress."""


async def run(work: Work, engine: Engine, emit: Emit) -> Document:
    """The transcript of the recording. Raises `Permanent` when it cannot be read or its language not be transcribed."""
    language = work.options.language
    if language is not None and language not in engine.languages:
        raise Permanent("unsupported_language", f"Speech in the language '{language}' cannot be transcribed here.")
    windows = decode_windows(
        await work.audio(),
        WINDOW_SECONDS,
        separate=work.options.channels == "separate",
        # The gateway has counted before: this stops what has deceived it. Decoders bring a little more or less.
        longest=engine.longest_seconds * 1.01 + 1.0,
    )
    transcription = _Transcription(work, engine, emit, windows)
    await transcription.write()
    return transcription.finish(await transcription.speakers.turns(), hints_cut=await _hints_cut(work, engine))


class _Transcription:
    """The work on one recording."""

    def __init__(self, work: Work, engine: Engine, emit: Emit, windows: Windows) -> None:
        self._work = work
        self._engine = engine
        self._emit = emit
        self._windows = windows
        self._channels: Sequence[Channel] = ()
        self._seconds = 0.0  # how long the recording is, as far as it is heard
        self.speakers = Speakers(work, engine.diarizer if work.options.diarize else None)

    async def write(self) -> None:
        """Write all that is said."""
        async with aclosing(heard(self._work, self._engine, self._windows)) as pieces:
            async for piece in pieces:
                self._channels = self._channels or self._begun(piece)
                self._seconds = piece.until
                for channel, samples, speech in zip(self._channels, piece.samples, piece.speech, strict=True):
                    await self.speakers.hear(channel.number, samples)
                    async for _ in channel.hear(samples, speech, until=piece.until):
                        await self._write_due()
        for channel in self._channels:
            await self.speakers.hear(channel.number, None)
            await channel.end(until=self._seconds)
            await self._write_due()

    def _begun(self, first: Piece) -> Sequence[Channel]:
        """The channels, now that it is known how many there are."""
        separate = self._work.options.channels == "separate"
        numbers = range(len(first.samples)) if separate else [None]
        channels = [Channel(self._work, self._engine, number) for number in numbers]
        if first.short:
            for channel in channels:
                channel.expect_little()
        return channels

    async def _write_due(self) -> None:
        """Write the segments before which none can come any more, in the order of time and then of channels."""
        due: list[Segment] = []
        while (head := self._head()) is not None:
            segment = head.pending.popleft()
            due.append(msgspec.structs.replace(segment, index=len(self._work.written) + len(due) + 1))
        if due:
            reached = min(channel.floor for channel in self._channels)
            await self._emit.segments(await self.speakers.guessed(due), done=self._share(min(reached, self._seconds)))

    def _head(self) -> Channel | None:
        """The channel whose next segment is the next of all; None when that cannot be told yet."""
        nexts = [
            (channel.pending[0].start if channel.pending else channel.floor, number)
            for number, channel in enumerate(self._channels)
        ]
        head = self._channels[min(nexts)[1]]
        return head if head.pending else None

    def _share(self, seconds: float) -> float:
        """How much of the recording lies before `seconds`, 0 to 1. A guess where nobody told its length."""
        length = self._work.duration or self._windows.claimed or seconds + _USUAL_SECONDS
        return min(1.0, seconds / max(length, self._seconds))

    def finish(self, turns: Sequence[Turn], *, hints_cut: bool) -> Document:
        """Announce that the transcript is complete."""
        segments = named(self._work.written, turns)
        duration = round(self._windows.seconds, 3)
        warnings = tuple(self._warnings(hints_cut=hints_cut))
        language = next(iter(_languages(segments)), self._channels[0].language)
        transcript = Transcript(
            transcript=" ".join(segment.text for segment in segments),
            language=language,
            duration=duration,
            segments=segments,
        )
        self._emit.step(Step.TRANSCRIPTION_COMPLETE, transcript, warnings)
        return Document(
            segments=len(segments),
            duration=duration,
            language=language,
            language_score=_likelihood(segments, language),
            coverage=self._coverage(),
            warnings=warnings,
            turns=tuple(turns),
        )

    def _warnings(self, *, hints_cut: bool) -> Iterator[Notice]:
        """They come from the recording, the options and what is written alone: each attempt finds the same."""
        if self._windows.damaged:
            yield _notices.damaged(self._windows.seconds, self._windows.claimed)
        if not self._work.written:
            yield _notices.no_speech()
        if unsure := next(self._unsure(), None):
            yield _notices.unsure(unsure)
        if len(languages := _languages(self._work.written)) > 1:
            yield _notices.mixed(languages)
        if any(_notices.CLAMPED in segment.flags for segment in self._work.written):
            yield _notices.clamped()
        if hints_cut:
            yield _notices.hints_cut()
        if self._work.options.diarize and not self.speakers.told:
            yield _notices.speakers_unknown()

    def _unsure(self) -> Iterator[str]:
        """What is mostly spoken on each channel, where that is half a guess."""
        for channel in sorted({segment.channel or 0 for segment in self._work.written}):
            own = [segment for segment in self._work.written if (segment.channel or 0) == channel]
            language = next(iter(_languages(own)), None)
            score = _likelihood(own, language)
            if language and score is not None and score < SURE:
                yield language

    def _coverage(self) -> float:
        """The share of frames with speech that lie in a segment of their channel; 1.0 where nobody speaks."""
        total = covered = 0
        for number, channel in enumerate(self._channels):
            spoken = np.frombuffer(channel.speech, np.uint8).astype(bool)
            near = np.zeros(len(spoken), bool)
            for segment in self._work.written:
                if segment.channel in (None, number):
                    start = max(0.0, segment.start - _NEAR_SECONDS)
                    near[int(start / FRAME_SECONDS) : int((segment.end + _NEAR_SECONDS) / FRAME_SECONDS) + 1] = True
            total += int(spoken.sum())
            covered += int((spoken & near).sum())
        return round(covered / total, 3) if total else 1.0


async def _hints_cut(work: Work, engine: Engine) -> bool:
    """Whether the recogniser leaves out a part of prompt and hotwords."""
    hints = Hints(prompt=work.options.initial_prompt, hotwords=work.options.hotwords)
    return hints != Hints() and await work.compute(engine.cuts, hints)


def _languages(segments: Sequence[Segment]) -> dict[str, float]:
    """What is spoken, and for which share of the time in which somebody speaks, 0 to 1; the most first."""
    seconds: dict[str, float] = {}
    for segment in segments:
        if segment.language:
            seconds[segment.language] = seconds.get(segment.language, 0.0) + segment.end - segment.start
    whole = sum(seconds.values()) or 1.0
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return {language: spoken / whole for language, spoken in ordered}


def _likelihood(segments: Sequence[Segment], language: str | None) -> float | None:
    """How likely it is that what is taken for `language` is in it, over all the time for which that was guessed; None
    where nothing was. It comes from what is written alone, so that it outlives the attempt."""
    guessed = [
        (segment.end - segment.start, segment.language_score)
        for segment in segments
        if segment.language == language and segment.language_score is not None
    ]
    whole = sum(seconds for seconds, _ in guessed)
    return round(sum(seconds * score for seconds, score in guessed) / whole, 4) if whole else None


def _part(text: str | None, segment: Segment) -> TranscriptPart:
    return TranscriptPart(transcript=text, segment=segment)


STAGE = Stage(
    name=StageName.ASR,
    run=run,
    partial=PartialText(step=Step.TRANSCRIPTION, piece=said, part=_part),
)
