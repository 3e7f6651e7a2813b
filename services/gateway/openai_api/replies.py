"""What a transcription or translation is answered with, in the format that was asked for."""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from services.gateway.openai_api.form import ENGLISH, Answer, Order
from services.gateway.openapi import RESULT_TYPES
from services.gateway.problems import Problem
from shared import codec
from shared.events import joined, said, translated
from shared.messages import Message, Options, Result, Segment, Word
from shared.text.language import english_name
from shared.text.subtitles import Format, render


class Usage(Message, frozen=True, omit_defaults=False):
    """Audio is counted in seconds. A mesh sells no tokens and counts none."""

    seconds: float
    type: str = "duration"


class Language(Message, frozen=True, omit_defaults=False):
    """A language that is spoken."""

    code: str


class Transcription(Message, frozen=True, omit_defaults=False):
    """`json`."""

    text: str
    languages: tuple[Language, ...]
    usage: Usage


class Translation(Message, frozen=True, omit_defaults=False):
    """`json` of a translation."""

    text: str


class SpokenWord(Message, frozen=True, omit_defaults=False):
    """A word; seconds."""

    word: str
    start: float
    end: float


class TimedSegment(Message, frozen=True, omit_defaults=False):
    """A sentence with all that Whisper's own segments have. `seek` is where it begins, in hundredths of a second;
    tokens are not kept, and of silence there is none in a segment."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class Verbose(Message, frozen=True, kw_only=True):
    """`verbose_json`. `segments` and `words` are there when they were asked for."""

    task: str
    language: str
    duration: float
    text: str
    segments: tuple[TimedSegment, ...] | None = None
    words: tuple[SpokenWord, ...] | None = None
    usage: Usage


class SpeakerSegment(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A sentence and who says it. The same as an event of a stream."""

    type: str = "transcript.text.segment"
    id: str
    start: float
    end: float
    text: str
    speaker: str


class Diarized(Message, frozen=True, kw_only=True, omit_defaults=False):
    """`diarized_json`."""

    task: str
    duration: float
    text: str
    segments: tuple[SpeakerSegment, ...]
    usage: Usage


class Reply(NamedTuple):
    """A body and its content type."""

    body: bytes
    media_type: str


class Speakers:
    """Speakers get letters in the order in which they are first heard: A … Z, AA …"""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def segment(self, segment: Segment) -> SpeakerSegment:
        """The segment with its speaker's letter; one whose speaker is not known has `unknown`."""
        return SpeakerSegment(
            id=f"seg_{segment.index}",
            start=segment.start,
            end=segment.end,
            text=segment.text,
            speaker=self._letter(segment.speaker) if segment.speaker else "unknown",
        )

    def _letter(self, speaker: str) -> str:
        if speaker not in self._letters:
            number, letters = len(self._letters), ""
            while number >= 0:
                number, letters = number // 26 - 1, chr(ord("A") + number % 26) + letters
            self._letters[speaker] = letters
        return self._letters[speaker]


def reply(result: Result, order: Order, options: Options) -> Reply:
    """The answer. Raises `Problem` with 422 when the task could not be brought into English."""
    if order.english:
        result = _in_english(result, options)
    return _REPLIES[order.answer](result, order)


def _in_english(result: Result, options: Options) -> Result:
    """The result with English in place of what was said."""
    segments = tuple(_english_segments(result, options))
    text = joined(map(said, segments))
    return msgspec.structs.replace(result, transcript=text, segments=segments, language=ENGLISH)


def _english_segments(result: Result, options: Options) -> Iterator[Segment]:
    for segment in result.segments:
        text = segment.translation
        if text is None and (segment.language or options.language) != ENGLISH and segment.text.strip():
            detail = f"Nobody here translates from '{segment.language or options.language}' to English."
            raise Problem(422, "unsupported_pair", detail, field="language")
        if text is None or text == segment.text:
            yield segment
        else:
            yield msgspec.structs.replace(segment, text=text, words=(), gap=translated(segment).gap)


def _json(result: Result, order: Order) -> Reply:
    if order.english:
        return _as_json(Translation(text=result.transcript))
    languages = (Language(code=result.language),) if result.language else ()
    return _as_json(Transcription(text=result.transcript, languages=languages, usage=Usage(seconds=result.duration)))


def _text(result: Result, _: Order) -> Reply:
    return Reply(f"{result.transcript}\n".encode(errors="replace"), "text/plain; charset=utf-8")


def _srt(result: Result, _: Order) -> Reply:
    return Reply(render(result, Format.SRT).encode(errors="replace"), RESULT_TYPES["srt"])


def _vtt(result: Result, _: Order) -> Reply:
    return Reply(render(result, Format.VTT).encode(errors="replace"), "text/vtt; charset=utf-8")


def _verbose(result: Result, order: Order) -> Reply:
    words = (word for segment in result.segments for word in segment.words)
    return _as_json(
        Verbose(
            task="translate" if order.english else "transcribe",
            language=english_name(result.language) if result.language else "",
            duration=result.duration,
            text=result.transcript,
            segments=tuple(map(_timed, result.segments)) if order.segments else None,
            words=tuple(SpokenWord(word.text, word.start, word.end) for word in words) if order.words else None,
            usage=Usage(seconds=result.duration),
        )
    )


def _diarized(result: Result, _: Order) -> Reply:
    speakers = Speakers()
    return _as_json(
        Diarized(
            task="transcribe",
            duration=result.duration,
            text=result.transcript,
            segments=tuple(map(speakers.segment, result.segments)),
            usage=Usage(seconds=result.duration),
        )
    )


_REPLIES: dict[Answer, Callable[[Result, Order], Reply]] = {
    Answer.JSON: _json,
    Answer.TEXT: _text,
    Answer.SRT: _srt,
    Answer.VERBOSE: _verbose,
    Answer.VTT: _vtt,
    Answer.DIARIZED: _diarized,
}


def _as_json(message: Message) -> Reply:
    return Reply(codec.encode_json(message), "application/json")


def _timed(segment: Segment) -> TimedSegment:
    text = segment.text.encode(errors="replace")
    return TimedSegment(
        id=segment.index - 1,
        seek=round(segment.start * 100),
        start=segment.start,
        end=segment.end,
        text=f"{segment.gap}{segment.text}",
        tokens=(),
        temperature=0.0,
        avg_logprob=_likelihood(segment.words),
        compression_ratio=round(len(text) / len(zlib.compress(text)), 4),
        no_speech_prob=0.0,
    )


def _likelihood(words: Sequence[Word]) -> float:
    """The mean logarithm of the words' probabilities; 0 where there are none."""
    scores = [max(word.score, 1e-6) for word in words if word.score is not None]
    return round(sum(map(math.log, scores)) / len(scores), 4) if scores else 0.0
