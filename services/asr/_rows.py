"""The clips of several requests as rows for a model, and what is found out about each of them on the way.

A model takes rows of one shape at a time. What shape a row has depends on its clip and its hints alone, so that what is
heard in it does not depend on the rows that happen to be beside it: another attempt hears the same.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.asr._clips import Samples
from services.asr.protocol import Hints
from shared.messages import Word

_LIKELY, _RULED_OUT = 0.7, 0.1
"""A clip is in another language than the rest of its recording when that is as likely as this, and the language of the
rest no more likely than that: languages that are near to each other share what is likely between them."""


class Decoded(msgspec.Struct, frozen=True):
    """The decoder's answer for one clip."""

    tokens: list[int]
    likelihood: float
    """Mean log probability of a token."""
    silence: float
    """The probability that nobody speaks."""
    repetition: float
    """How often the text fits into its compressed form."""


class Row(msgspec.Struct, kw_only=True):
    """One clip of `frames` of 10 ms. `length` is how many of them the model sees, silence behind the clip included."""

    request: int
    hints: Hints
    samples: Samples
    frames: int
    length: int
    encoded: Any = None
    guesses: Mapping[str, float] = {}
    """How likely each language is; empty where it need not be guessed."""
    language: str = ""
    tokenizer: Any = None
    prompt: Sequence[int] = ()
    decoded: Decoded | None = None
    words: Sequence[Word] = ()

    @property
    def score(self) -> float | None:
        """How likely its language is, if it was guessed."""
        return round(self.guesses.get(self.language, 0.0), 4) if self.guesses else None


def groups(rows: Iterable[Row], key: Callable[[Row], Hashable]) -> Iterator[list[Row]]:
    """`rows` in groups with an equal key, in the order in which they begin."""
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    yield from found.values()


def settle(rows: Sequence[Row]) -> tuple[str, float | None]:
    """Give each row of a request its language. Returns that of the whole, and how likely it is if it was guessed."""
    hints = rows[0].hints
    totals: dict[str, float] = {}
    for row in rows:
        for language, probability in row.guesses.items():
            totals[language] = totals.get(language, 0.0) + probability
    score = None
    main = hints.language or hints.likely
    if main is None:
        main = max(totals, key=totals.__getitem__)
        score = round(totals[main] / len(rows), 4)
    for row in rows:
        own = max(row.guesses, key=row.guesses.__getitem__, default=main)
        other = row.guesses.get(own, 0.0) >= _LIKELY and row.guesses.get(main, 0.0) <= _RULED_OUT
        row.language = own if other else main
    return main, score
