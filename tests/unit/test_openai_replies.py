"""Answers of the OpenAI API: their shapes where no mesh is needed to see them."""

import json

import msgspec

from services.gateway.openai_api.form import Answer, Order
from services.gateway.openai_api.replies import Speakers, reply
from shared.messages import Options, Segment
from tests.fakes.results import result_of, spoken


def test_verbose_segments_have_all_that_whispers_have() -> None:
    """Every number is one, with what is known: probabilities of words, how well the text can be compressed."""
    segment = msgspec.structs.replace(spoken("no no no no no no no no", 1.5, 4.0), index=1)
    words = tuple(msgspec.structs.replace(word, score=0.5) for word in segment.words)
    result = result_of([msgspec.structs.replace(segment, words=words)], duration=5.0)
    answer = json.loads(reply(result, Order(answer=Answer.VERBOSE), Options()).body)
    (found,) = answer["segments"]
    assert (found["id"], found["seek"], found["start"], found["end"]) == (0, 150, 1.5, 4.0)
    assert (found["avg_logprob"], found["tokens"], found["no_speech_prob"]) == (-0.6931, [], 0.0)
    assert found["compression_ratio"] > 1
    assert answer["usage"] == {"type": "duration", "seconds": 5.0}
    assert "words" not in answer


def test_silence_is_an_empty_text() -> None:
    """Nothing is said in no language: all formats still have an answer."""
    result = msgspec.structs.replace(result_of([], duration=2.0), language=None)
    bodies = {answer: reply(result, Order(answer=answer), Options()).body for answer in Answer}
    assert json.loads(bodies[Answer.JSON])["text"] == ""
    assert json.loads(bodies[Answer.JSON])["languages"] == []
    assert json.loads(bodies[Answer.VERBOSE])["segments"] == []
    assert bodies[Answer.TEXT] == b"\n"
    assert bodies[Answer.VTT].startswith(b"WEBVTT")
    english = reply(result, Order(english=True), Options(english_unless=()))
    assert json.loads(english.body) == {"text": ""}


def test_speakers_never_run_out_of_letters() -> None:
    """A to Z, then AA; the same speaker has the same letter, and one that is not known has none."""
    speakers = Speakers()
    letters = [
        speakers.segment(Segment(index=1, start=0, end=1, text="", speaker=f"S{number % 30}")).speaker
        for number in range(31)
    ]
    assert letters[:2] + letters[25:] == ["A", "B", "Z", "AA", "AB", "AC", "AD", "A"]
    assert speakers.segment(Segment(index=1, start=0, end=1, text="")).speaker == "unknown"
