"""A result as text and subtitles.

| format | one entry is | times | speakers |
|---|---|---|---|
| txt | a sentence on a line | – | `Name: ` before it |
| tsv | a sentence in a row | milliseconds | a fourth column, where there are any |
| srt | a cue | milliseconds | `Name: ` before the text |
| vtt | a cue | milliseconds | a voice span |
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

import msgspec

from shared.messages import Result, Segment
from shared.text.cues import Cue, make_cues, one_line


class Format(StrEnum):
    """The formats, named by the endings of their files."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"


def render(result: Result, kind: Format, *, translated: bool = False) -> str:
    """`result` in the format. `translated` takes the translation in place of what was said; a sentence that has none is
    left out. Text does not tell when it was translated within a sentence: there, times are shared out evenly."""
    segments = _translated(result.segments) if translated else result.segments
    spoken = [segment for segment in segments if one_line(segment.text)]
    duration = result.duration or max((segment.end for segment in spoken), default=0.0)
    return _RENDERERS[kind](spoken, duration)


def _translated(segments: Sequence[Segment]) -> Iterator[Segment]:
    for segment in segments:
        text = segment.translation or ""
        words = segment.words if text == segment.text else ()
        yield msgspec.structs.replace(segment, text=text, words=words)


def _txt(segments: Sequence[Segment], _: float) -> str:
    return "".join(f"{_named(segment)}\n" for segment in segments)


def _tsv(segments: Sequence[Segment], _: float) -> str:
    """As Whisper writes it, which reads as a table anywhere: a head, one tab between columns, no quoting."""
    with_speakers = any(segment.speaker for segment in segments)
    rows = [["start", "end", "text", "speaker"]]
    rows += [
        [f"{segment.start * 1000:.0f}", f"{segment.end * 1000:.0f}", one_line(segment.text), _speaker(segment)]
        for segment in segments
    ]
    return "".join("\t".join(row if with_speakers else row[:3]) + "\n" for row in rows)


def _srt(segments: Sequence[Segment], duration: float) -> str:
    """SubRip. Lines end in CRLF, as the program writes them that the format comes from: every player takes that, among
    them television sets that know nothing else."""
    cues = make_cues(segments, duration=duration, labelled=True)
    lines: list[str] = []
    for number, cue in enumerate(cues, 1):
        lines += [str(number), _span(cue, ","), *map(_unmarked, cue.lines), ""]
    return "".join(f"{line}\r\n" for line in lines)


def _vtt(segments: Sequence[Segment], duration: float) -> str:
    """WebVTT, in which `&`, `<` and `>` of the text are escaped."""
    blocks = ["WEBVTT\n"]
    for cue in make_cues(segments, duration=duration):
        speaker = one_line(cue.speaker or "")
        voice = f"<v {_escaped(speaker)}>" if speaker else ""
        text = "\n".join(_escaped(line) for line in cue.lines)
        blocks.append(f"{_span(cue, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


_RENDERERS: dict[Format, Callable[[Sequence[Segment], float], str]] = {
    Format.TXT: _txt,
    Format.SRT: _srt,
    Format.VTT: _vtt,
    Format.TSV: _tsv,
}


def _named(segment: Segment) -> str:
    speaker, text = _speaker(segment), one_line(segment.text)
    return f"{speaker}: {text}" if speaker else text


def _speaker(segment: Segment) -> str:
    return one_line(segment.speaker or "")


def _span(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start, point)} --> {_clock(cue.end, point)}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _unmarked(line: str) -> str:
    """SRT knows no escapes: an arrow that a parser could take for a time line is drawn in another way."""
    return line.replace("-->", "→")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
