"""What the stage wants of its engine, and what passes between the two."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Protocol

import msgspec

import shared.stage
from shared.messages import ActionItem, Chapter, KeyPhrase, Question, Sentiment


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as the engine reads it: `text` is in a language that it knows, times are seconds."""

    segment: int
    start: float
    end: float
    text: str
    speaker: str | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine reads out of the text."""

    key_phrases: tuple[KeyPhrase, ...] = ()
    questions: tuple[Question, ...] = ()
    action_items: tuple[ActionItem, ...] = ()
    sentiment: Sentiment | None = None
    chapters: tuple[Chapter, ...] = ()


class Unanswered(Exception):
    """A language model has given no findings. `reason` is for a person, and follows 'because'."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Writer(Protocol):
    """A language model that somebody else runs. It is waited for on the event loop, not on the engine's thread."""

    async def ask(self, passages: Sequence[Passage], *, today: date) -> Findings:
        """What it finds in the passages, whatever their language. Raises `Unanswered`."""
        ...


class Engine(shared.stage.Engine, Protocol):
    """Understands text, in `languages` (ISO 639 codes; empty stands for all)."""

    @property
    def languages(self) -> Collection[str]: ...

    @property
    def writer(self) -> Writer | None:
        """Who reads the text besides the engine itself."""
        ...

    def read(self, passages: Sequence[Passage], *, today: date) -> Findings:
        """What is in the passages. 'By Friday' is the Friday behind `today`; no clock is looked at."""
        ...
