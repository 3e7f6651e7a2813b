"""What the files look like, to the letter."""

import html
import io
from typing import Any

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Segment
from shared.text.cues import one_line
from shared.text.subtitles import Format, render
from tests.fakes.results import result_of, spoken

TALK = result_of(
    [
        spoken("Good morning.", 0.5, 2.0, speaker="Ana", translation="Bom dia."),
        spoken("R&D says: a < b\n\n--> c", 2.0, 4.25, speaker="Ana", translation="P&D\tdiz: a < b"),
        spoken("Yes.", 3661.0, 3661.2, speaker="Bo"),
    ],
    duration=3662.0,
)
QUIET = result_of([], duration=3.0)


def test_srt_is_what_subrip_writes() -> None:
    """Numbers from 1, a comma in the times, CRLF, an empty line behind each cue; no arrow but that of the times."""
    assert render(TALK, Format.SRT) == (
        "1\r\n00:00:00,500 --> 00:00:02,000\r\nAna: Good morning.\r\n\r\n"
        "2\r\n00:00:02,000 --> 00:00:04,250\r\nAna: R&D says: a < b → c\r\n\r\n"
        "3\r\n01:01:01,000 --> 01:01:02,000\r\nBo: Yes.\r\n\r\n"
    )


def test_vtt_escapes_what_would_be_markup() -> None:
    """Text is text, whoever says it; speakers are voices."""
    assert render(TALK, Format.VTT) == (
        "WEBVTT\n\n"
        "00:00:00.500 --> 00:00:02.000\n<v Ana>Good morning.\n\n"
        "00:00:02.000 --> 00:00:04.250\n<v Ana>R&amp;D says: a &lt; b --&gt; c\n\n"
        "01:01:01.000 --> 01:01:02.000\n<v Bo>Yes.\n"
    )


def test_tsv_is_what_whisper_writes() -> None:
    """Milliseconds and text, a sentence in a row, no tab or line break in it; speakers in a column of their own."""
    assert render(TALK, Format.TSV) == (
        "start\tend\ttext\tspeaker\n"
        "500\t2000\tGood morning.\tAna\n"
        "2000\t4250\tR&D says: a < b --> c\tAna\n"
        "3661000\t3661200\tYes.\tBo\n"
    )
    assert render(result_of([spoken("Yes.", 1, 2)], duration=3), Format.TSV) == "start\tend\ttext\n1000\t2000\tYes.\n"


def test_txt_has_a_sentence_on_each_line() -> None:
    """With the speaker in front, where there is one."""
    assert render(TALK, Format.TXT) == "Ana: Good morning.\nAna: R&D says: a < b --> c\nBo: Yes.\n"


def test_a_translation_takes_the_place_of_what_was_said() -> None:
    """A sentence without one is left out; the times are those of the speech."""
    assert render(TALK, Format.TSV, translated=True) == (
        "start\tend\ttext\tspeaker\n500\t2000\tBom dia.\tAna\n2000\t4250\tP&D diz: a < b\tAna\n"
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n")]
)
def test_silence_gives_a_valid_file_without_cues(kind: str, expected: str) -> None:
    """A recording in which nobody speaks."""
    assert render(QUIET, Format(kind)) == expected


def parsed(text: str, kind: str) -> str:
    """What a strict parser finds in the cues of a file, without spaces."""
    captions: Any = webvtt.from_buffer(io.StringIO(text), format=kind, strict=True)
    return "".join("".join(caption.text.split()) for caption in captions)


@given(st.text(max_size=300))
def test_any_text_survives_a_parser(said: str) -> None:
    """Whatever is said, both formats hold it and nothing else."""
    result = result_of([Segment(index=1, start=0.0, end=600.0, text=said)], duration=600)
    expected = "".join(one_line(said).split())
    assert html.unescape(parsed(render(result, Format.VTT), "vtt")) == expected
    if expected:  # this parser takes no SRT file without cues
        found = parsed(render(result, Format.SRT), "srt")
        assert found.replace("→", "-->") == expected.replace("→", "-->")
