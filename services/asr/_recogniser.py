"""What the stage wants of an engine that recognises speech."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from services.asr._clips import Samples
from shared.messages import Word
from shared.stage import Engine


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What the client told about the recording. `language` is None to detect it. What is spoken in none of the
    languages `english_unless` is written in English; None: in no case."""

    language: str | None = None
    prompt: str | None = None
    hotwords: str | None = None
    english_unless: tuple[str, ...] | None = None

    def in_english(self, language: str) -> bool:
        """Whether speech in `language` is to be translated into English."""
        return self.english_unless is not None and language not in ("en", *self.english_unless)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the recogniser made of some clips. `language_score` is 0 to 1, None when nothing had to be guessed.

    `clips` has the words of each clip in order: times in seconds from the start of the clip, texts with the space that
    goes before them. `hints_cut` tells that prompt and hotwords were too long and have been cut."""

    language: str
    language_score: float | None
    clips: Sequence[Sequence[Word]]
    hints_cut: bool = False


class Recogniser(Engine, Protocol):
    """Speech recognition. One call takes seconds at most."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes of what it understands."""
        ...

    @property
    def batch_size(self) -> int:
        """How many clips it likes to get at once."""
        ...

    @property
    def longest_seconds(self) -> float:
        """The longest recording that it is given."""
        ...

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples, and what it wants back at the next call.

        `samples` are whole frames at 16 kHz; `memory` is None at the start of a recording."""
        ...

    def transcribe(self, clips: Sequence[Samples], hints: Hints) -> Heard:
        """The words of each clip, at most 30 s at 16 kHz. A clip in which nothing is said comes back empty."""
        ...
