"""What the stage wants of its engine, and what passes between the two."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

import shared.stage
from services.asr._clips import Samples
from services.asr._voices import Diarizer
from shared.messages import Word


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the recording. `language` is what all of it is in, by the word of the client; without it,
    `likely` is what was spoken so far: a clip that is certainly in another language is transcribed in that. What is
    spoken in none of the languages `english_unless` is written in English; None: in no case."""

    language: str | None = None
    likely: str | None = None
    prompt: str | None = None
    hotwords: str | None = None
    english_unless: tuple[str, ...] | None = None


def in_english(language: str, unless: tuple[str, ...] | None) -> bool:
    """Whether speech in `language` is to be translated into English: not if it is in one of `unless`."""
    return unless is not None and language not in ("en", *unless)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Some clips of one recording, at most 30 s each at 16 kHz."""

    clips: Sequence[Samples]
    hints: Hints


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine made of a request. `language` is what is mostly spoken, `language_score` how likely that is,
    0 to 1, and None when it did not have to be guessed.

    `clips` has the words of each clip in order: times in seconds from the start of the clip, texts with the space that
    goes before them; `languages` what each is in, and `scores` how likely that is, None where it was not guessed."""

    language: str
    language_score: float | None
    clips: Sequence[Sequence[Word]]
    languages: Sequence[str]
    scores: Sequence[float | None]


class Engine(shared.stage.Engine, Protocol):
    """Speech recognition. One call takes seconds at most."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes of what it understands."""
        ...

    @property
    def batch_size(self) -> int:
        """How many clips of 30 s it likes to get at once."""
        ...

    @property
    def longest_seconds(self) -> float:
        """The longest recording that it is given."""
        ...

    @property
    def diarizer(self) -> Diarizer | None:
        """Who tells speakers apart."""
        ...

    @property
    def listens_on_device(self) -> bool:
        """Whether `listen` computes where the models do, and has to wait for its turn there. If not, it may be called
        from any thread at any time."""
        ...

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples, and what it wants back at the next call.

        `samples` are whole frames at 16 kHz; `memory` is None at the start of a recording."""
        ...

    def effort(self, clips: Sequence[Samples]) -> float:
        """What `clips` cost, in clips of 30 s."""
        ...

    def cuts(self, hints: Hints) -> bool:
        """Whether prompt and hotwords are too long, so that a part of them is left out of every call."""
        ...

    def transcribe(self, requests: Sequence[Request]) -> Sequence[Heard]:
        """What is said in the clips of each request; what they ask for together does not change that. A clip in which
        nothing is said comes back empty."""
        ...
