"""Cues that people can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Segment, Word
from shared.text.cues import LINE_COLUMNS, Cue, make_cues, one_line
from shared.text.linebreak import columns
from tests.fakes.results import spoken

PILOT = (
    "Our pilot with Siemens in Berlin went very well, and they signed a contract for two million dollars on March 12th."
)


def shown(cues: list[Cue]) -> list[tuple[int, int, str]]:
    return [(cue.start, cue.end, "|".join(cue.lines)) for cue in cues]


def test_a_sentence_is_a_cue() -> None:
    """Two sentences that follow each other are two cues, each as long as it is spoken."""
    segments = [spoken("Good morning.", 0.5, 2.0), spoken("I have great news.", 2.0, 4.5)]
    assert shown(make_cues(segments, duration=10)) == [(500, 2000, "Good morning."), (2000, 4500, "I have great news.")]


def test_a_long_sentence_is_cut_behind_a_comma_at_the_time_of_its_words() -> None:
    """No cue lasts for more than seven seconds or has more than two lines; the cut is where the clause ends."""
    cues = make_cues([spoken(PILOT, 0.0, 10.5)], duration=11)
    assert shown(cues) == [
        (0, 4500, "Our pilot with Siemens|in Berlin went very well,"),
        (4500, 10500, "and they signed a contract for|two million dollars on March 12th."),
    ]


def test_a_slow_sentence_is_cut_so_that_its_end_is_seen() -> None:
    """A cue of seven seconds that is gone while somebody still speaks would leave the rest without text."""
    cues = make_cues([spoken("one two three four five six", 0.0, 12.0)], duration=20)
    assert shown(cues) == [(0, 6000, "one two three"), (6000, 12000, "four five six")]


def test_without_words_the_time_is_shared_out_by_characters() -> None:
    """A translation has no times of its own."""
    text = "a" * 20 + " " + "b" * 40 + " " + "c" * 38
    cues = make_cues([Segment(index=1, start=2.0, end=12.0, text=text)], duration=20)
    assert [(cue.start, cue.end) for cue in cues] == [(2000, 8100), (8200, 12000)]


def test_a_short_sentence_stays_for_a_second_if_nothing_else_is_said() -> None:
    """It is stretched into the silence behind it, and no further than the next word or the end."""
    segments = [spoken("Yes.", 1.0, 1.2), spoken("No.", 5.0, 5.1)]
    assert shown(make_cues(segments, duration=5.7)) == [(1000, 2000, "Yes."), (5000, 5700, "No.")]


def test_a_short_sentence_without_room_joins_its_neighbour() -> None:
    """Nobody can read a cue that is gone in 300 ms."""
    segments = [spoken("Yes.", 1.0, 1.3), spoken("I will call Laura on Thursday.", 1.3, 4.0)]
    assert shown(make_cues(segments, duration=10)) == [(1000, 4000, "Yes. I will call Laura on Thursday.")]


def test_a_cue_does_not_stand_over_a_silence() -> None:
    """A pause within a sentence ends the cue, and the next begins with the next word."""
    words = (Word(text="Well,", start=0.0, end=1.0), Word(text="yes.", start=4.0, end=5.0))
    cues = make_cues([Segment(index=1, start=0.0, end=5.0, text="Well, yes.", words=words)], duration=5)
    assert shown(cues) == [(0, 1000, "Well,"), (4000, 5000, "yes.")]


def test_who_speaks_at_the_same_time_shares_it() -> None:
    """Cues of channels that overlap do not; both can be read."""
    segments = [spoken("I think so.", 0.0, 4.0, speaker="left"), spoken("Me too.", 0.0, 3.0, speaker="right")]
    assert [(cue.start, cue.end, cue.speaker) for cue in make_cues(segments, duration=4)] == [
        (0, 1000, "left"),
        (1000, 3000, "right"),
    ]


def test_speakers_do_not_share_a_cue() -> None:
    """However short they are."""
    segments = [spoken("Yes.", 0.0, 0.4, speaker="A"), spoken("No.", 0.4, 0.8, speaker="B")]
    assert shown(make_cues(segments, duration=5, labelled=True)) == [(0, 400, "A: Yes."), (400, 1400, "B: No.")]


@pytest.mark.parametrize("text", ["", " ", "\n", "\u00a0 \t", "\x00"])
def test_nothing_said_gives_no_cue(text: str) -> None:
    """Blank text does not show as an empty box."""
    cues = make_cues([Segment(index=1, start=0, end=1, text=text)], duration=2)
    assert cues == []


def test_lines_are_of_about_the_same_length() -> None:
    """A line is not filled up only to leave one word on the next."""
    (cue,) = make_cues([spoken("I am sorry to hear that, and I will talk to them.", 0.0, 4.0)], duration=5)
    assert cue.lines == ("I am sorry to hear that,", "and I will talk to them.")


def test_text_without_spaces_is_cut_between_its_characters() -> None:
    """A full-width character counts for two, and punctuation does not begin a line."""
    text = "私はエマ・ミラーです。今日は東京から参加しています。皆さん、よろしくお願いいたします。"
    cues = make_cues([Segment(index=1, start=0, end=6, text=text)], duration=6)
    lines = [line for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert all(columns(line) <= LINE_COLUMNS and line[0] not in "、。ー" for line in lines)


@pytest.mark.parametrize("name", ["S", "SPEAKER_00", "a name that nobody could read at a glance", "名" * 50])
def test_a_label_takes_its_share_of_the_line(name: str) -> None:
    """Text with the name of its speaker keeps to two lines of 42, too."""
    cues = make_cues([spoken(PILOT, 0.0, 10.5, speaker=name)], duration=11, labelled=True)
    assert all(len(cue.lines) <= 2 and columns(line) <= LINE_COLUMNS for cue in cues for line in cue.lines)
    assert all(cue.lines[0].split(":")[0].rstrip("…") in name for cue in cues)


WORDS = (
    "a",
    "Good",
    "morning,",
    "end.",
    "漢字、かな。",
    "e\u0301" * 30,
    "-->",
    "<b>&",
    "…",
    "x" * 100,
    "\u00a0",
    "한국어",
    "Yes.",
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Segment], float]:
    """Segments within their recording, in any order that can be; words may lack, or lie anywhere in the segment."""
    segments: list[Segment] = []
    at = 0.0
    for index in range(1, draw(st.integers(1, 6)) + 1):
        at = max(0.0, at + draw(st.sampled_from([-2.0, 0.0, 0.001, 0.4, 3.0])))
        length = draw(st.sampled_from([0.0, 0.001, 0.3, 2.5, 9.0, 60.0]))
        text = draw(st.sampled_from([" ", ""])).join(draw(st.lists(st.sampled_from(WORDS), max_size=14)))
        said = spoken(text, at + length * draw(st.sampled_from([0.0, 0.5])), at + length)
        words = draw(st.sampled_from([(), said.words, said.words[1::2]]))
        speaker = draw(st.sampled_from([None, "A", "Somebody with a long name"]))
        segments.append(Segment(index=index, start=at, end=at + length, text=text, words=words, speaker=speaker))
        at += length
    return segments, max(segment.end for segment in segments) + draw(st.sampled_from([0.0, 0.2, 5.0]))


@given(conversations(), st.booleans())
def test_cues_keep_their_promises(conversation: tuple[list[Segment], float], labelled: bool) -> None:
    """Whatever is said: in order, none overlaps, none is empty or behind the end, each is readable, nothing is lost."""
    segments, duration = conversation
    cues = make_cues(segments, duration=duration, labelled=labelled)
    before = 0
    for cue in cues:
        assert before <= cue.start < cue.end <= duration * 1000 + 0.001
        assert cue.end - cue.start <= 7000
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < columns(line) <= LINE_COLUMNS and line == one_line(line) for line in cue.lines)
        before = cue.end
    if not labelled and duration * 1000 >= 1000:
        shown = sorted("".join("".join(cue.lines).split()) for cue in cues)
        assert sorted("".join(shown)) == sorted("".join("".join(one_line(s.text).split()) for s in segments))
