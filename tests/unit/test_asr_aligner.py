"""What an aligner has found, put to the words that it was asked about."""

from typing import Any

import pytest

from services.asr._aligner import retimed
from shared.messages import Word

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz|")


def words(*texts: str) -> list[Word]:
    """A word each second, as Whisper times them."""
    return [Word(text=f" {text}", start=i, end=i + 0.9, score=0.5) for i, text in enumerate(texts)]


def found(*times: tuple[float, float] | None) -> list[dict[str, Any]]:
    """What the aligner says of each word; None where it has nothing."""
    return [{"word": "?"} if time is None else {"start": time[0], "end": time[1], "score": 0.8} for time in times]


def test_words_take_the_times_of_the_aligner() -> None:
    """Text and order stay, times and scores are new, and nothing is marked."""
    timed = retimed(words("Hello", "there"), found((0.2, 0.5), (1.1, 1.4)), letters=LETTERS)
    assert timed == [
        Word(text=" Hello", start=0.2, end=0.5, score=0.8),
        Word(text=" there", start=1.1, end=1.4, score=0.8),
    ]


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (3,), (0, 1), (1, 2), (2, 3), (0, 3), (0, 1, 2, 3)])
def test_a07_words_without_a_time_get_one(missing: tuple[int, ...]) -> None:
    """At the start, in the middle, at the end, all: each word has its times, in order, and the guessed ones say so."""
    times = [None if place in missing else (place + 0.1, place + 0.8) for place in range(4)]
    timed = retimed(words("one", "two", "three", "four"), found(*times), letters=LETTERS)
    edges = [edge for word in timed for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= 4
    assert [place for place, word in enumerate(timed) if word.interpolated] == list(missing)


def test_a07_a_number_whose_digits_the_model_does_not_know_is_marked() -> None:
    """Where the aligner has put it is where there was room: a guess, with Whisper's own score."""
    timed = retimed(words("4711", "is", "13.60"), found((0.1, 0.7), (1.1, 1.3), (2.0, 2.8)), letters=LETTERS)
    assert [(word.start, word.score, word.interpolated) for word in timed] == [
        (0.1, 0.5, True),
        (1.1, 0.8, False),
        (2.0, 0.5, True),
    ]


def test_an_answer_that_does_not_fit_changes_nothing() -> None:
    """When it is not about these words, Whisper's times stay."""
    given = words("one", "two")
    assert retimed(given, found((0.1, 0.2)), letters=LETTERS) == given
    assert retimed(given, [], letters=LETTERS) == given


def test_characters_make_words_again() -> None:
    """Of Japanese and Chinese each character is timed; a word lasts from its first to its last."""
    given = [Word(text="今日", start=0, end=1, score=0.5), Word(text="は", start=1, end=2, score=0.5)]
    timed = retimed(given, found((0.1, 0.3), (0.4, 0.6), (1.2, 1.5)), letters=frozenset("今日は"), by_character=True)
    assert [(word.text, word.start, word.end) for word in timed] == [("今日", 0.1, 0.6), ("は", 1.2, 1.5)]
