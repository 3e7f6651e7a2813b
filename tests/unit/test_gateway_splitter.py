"""A text in segments: every character is in its place, whatever the text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.intake.splitter import MOST_CHARACTERS, pieces_of, split

BREAKS = [*" \t\n\r.!?…。！？,;\"“”()'-*#", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u200d", "\ufeff"]
WORDS = ["Dr. Smith", "a.b", "Yes", "مرحبا", "你好", "👩‍👩‍👧", ". ", "\r\n", "\n\n", "? ", '"', "(", "1.5"]
CHARACTERS = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(BREAKS))
TEXTS = st.one_of(
    st.text(CHARACTERS),
    st.lists(st.sampled_from(WORDS)).map("".join),
    st.builds(str.__mul__, st.text(CHARACTERS, min_size=1, max_size=7), st.integers(300, 900)),
)


def gaps(text: str, segments: list[str]) -> list[str]:
    """What stands in `text` around the segments, each searched behind the one before."""
    found, place = list[str](), 0
    for segment in segments:
        start = text.index(segment, place)
        found.append(text[place:start])
        place = start + len(segment)
    return [*found, text[place:]]


@given(TEXTS, st.sampled_from([None, "en", "pt", "ar", "zh", "xx"]))
def test_nothing_is_lost_and_nothing_invented(text: str, language: str | None) -> None:
    """Segments are pieces of the text in order; what is in none of them is white space, and none is blank or long."""
    segments = split(text, language=language)
    assert "".join(map("".join, pieces_of(text, language=language))) == text.rstrip()
    assert all(not gap.strip() for gap in gaps(text, segments))
    assert all(segment == segment.strip() != "" for segment in segments)
    assert all(len(segment) <= MOST_CHARACTERS for segment in segments)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("Dr. Smith pays $1.50 to example.com, e.g. today. He said so.", None),
        ("The meeting\nstarts at nine.\r\nPlease come.", ["The meeting\nstarts at nine.", "Please come."]),
        ("A title\n\nThe text", ["A title", "The text"]),
        ("A title\r\n \r\nThe text", ["A title", "The text"]),
        ("A title\u2029The text", ["A title", "The text"]),
        ("a\u2028b\x0bc\x85d", ["a\u2028b\x0bc\x85d"]),
        ("你好。世界！", ["你好。", "世界！"]),
        ("مرحبا بالعالم. كيف حالك؟", ["مرحبا بالعالم.", "كيف حالك؟"]),
        ("Yes 👩‍👩‍👧. No 🇵🇹.", ["Yes 👩‍👩‍👧.", "No 🇵🇹."]),
        (" \n\t\u3000 ", []),
    ],
)
def test_where_sentences_end(text: str, segments: list[str] | None) -> None:
    """At full stops of all scripts and at blank lines; not behind abbreviations, in numbers or at line breaks."""
    if segments is None:
        segments = ["Dr. Smith pays $1.50 to example.com, e.g. today.", "He said so."]
    assert split(text) == segments


def test_a_long_sentence_is_cut_between_words() -> None:
    """And where it has none, not within what is seen as one character."""
    words = "word " * 1_000
    assert {word for segment in split(words) for word in segment.split()} == {"word"}
    family = "👩‍👩‍👧"
    assert all(segment.startswith("👩") for segment in split("xx" + family * 1_000)[1:])
    assert all(segment.startswith("e\u0301") for segment in split("x" + "e\u0301" * 2_000)[1:])


@pytest.mark.parametrize("piece", [". ", "(", '"', "a", "\n\n", '"a. ', "Dr. ", "…", "?!", " \u200d", "a\u0301"])
def test_no_text_takes_long(piece: str) -> None:
    """A quarter of a million characters of what is hard to split take well under a second."""
    text = (piece * 250_000)[:250_000]
    started = time.process_time()
    split(text)
    assert time.process_time() - started < 2
