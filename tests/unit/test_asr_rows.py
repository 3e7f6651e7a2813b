"""Which language each clip of a request is taken for."""

import numpy as np
import pytest

from services.asr._rows import Row, groups, settle
from services.asr.protocol import Hints


def row(guesses: dict[str, float], *, likely: str | None = None, language: str | None = None, length: int = 0) -> Row:
    hints = Hints(language=language, likely=likely)
    return Row(request=0, hints=hints, samples=np.zeros(0, np.float32), frames=0, length=length, guesses=guesses)


@pytest.mark.parametrize(
    ("guesses", "expected"),
    [
        ({"es": 0.9, "en": 0.05}, "es"),
        ({"en": 0.75, "fi": 0.2, "es": 0.01}, "en"),
        ({"en": 0.52, "es": 0.3}, "es"),
        ({"gl": 0.8, "es": 0.15}, "es"),
        ({"fi": 0.4, "ru": 0.3}, "es"),
    ],
)
def test_a09_a_clip_is_in_another_language_when_that_is_certain(guesses: dict[str, float], expected: str) -> None:
    """It must be likely, and what was spoken so far must be ruled out: a guess between two changes nothing."""
    one = row(guesses, likely="es")
    assert settle([one]) == ("es", None)
    assert one.language == expected


def test_a08_several_clips_are_asked_for_the_language() -> None:
    """What is likely over all of them is what is spoken; its score is the mean."""
    rows = [row({"nn": 0.5, "en": 0.4}), row({"en": 0.6, "nn": 0.2}), row({"en": 0.8})]
    assert settle(rows) == ("en", 0.6)
    assert {each.language for each in rows} == {"en"}


def test_a_named_language_is_that_of_all() -> None:
    """Nothing is guessed where the client has said it."""
    assert settle([one := row({}, language="pt")]) == ("pt", None)
    assert one.language == "pt"


def test_rows_of_a_shape_go_together() -> None:
    """In the order in which their groups begin, and none is lost."""
    rows = [row({}, length=length) for length in (3000, 2000, 3000, 2500, 2000)]
    found = [[each.length for each in group] for group in groups(rows, lambda each: each.length)]
    assert found == [[3000, 3000], [2000, 2000], [2500]]
