"""What the stage wants of its engine, and what passes between the two."""

from collections.abc import Collection, Sequence
from typing import Protocol

import shared.stage

Pair = tuple[str, str]
"""ISO 639 codes of source and target."""


class Engine(shared.stage.Engine, Protocol):
    """Translates sentences between the languages that it knows."""

    @property
    def pairs(self) -> Collection[Pair]:
        """The pairs of languages on offer. Known once it is loaded."""
        ...

    def via(self, source: str, target: str) -> str | None:
        """The third language that this pair, one of `pairs`, goes through; None where a model translates it at once."""
        ...

    def translate(self, sentences: Sequence[str], source: str, target: str) -> list[str]:
        """The translations, in order, and an empty one where there is none to be trusted. No sentence is blank, and
        the pair is one of `pairs`."""
        ...
