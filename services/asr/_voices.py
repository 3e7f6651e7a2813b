"""What the stage wants of models that tell speakers apart, and what passes between the two."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.asr._clips import Samples

Persons = NDArray[np.int64]
"""Who each voice of each window is: windows × voices, numbers from 0; `NOBODY` for a voice that is not heard."""
NOBODY = -2


class Voices(msgspec.Struct, frozen=True):
    """The voices in one window of the recording: a few kilobytes, since all of them are kept until its end."""

    scores: NDArray[np.float16]
    """Frames × voices: how certain it is that this voice speaks, 0 to 1. Voices have numbers within their window."""
    active: NDArray[np.bool_]
    """The same as yes and no."""
    prints: NDArray[np.float32]
    """Voices × dimensions: what each sounds like; not a number for one that is not heard."""


class Spell(msgspec.Struct, frozen=True):
    """Somebody speaks, seconds from the start of the first window."""

    start: float
    end: float
    person: int


class Diarizer(Protocol):
    """Tells speakers apart. The recording is heard in windows of `window` samples, one every `step` samples."""

    @property
    def window(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def strangeness(self) -> float:
        """The cosine distance from which on two voices are rather of two persons."""
        ...

    def hear(self, windows: Sequence[Samples]) -> Sequence[Voices]:
        """The voices of each window."""
        ...

    def tell_apart(self, voices: Sequence[Voices], *, least: int | None, most: int | None) -> Persons:
        """Who is who in a whole recording, of at least and at most so many persons where that is known."""
        ...

    def spells(self, voices: Sequence[Voices], persons: Persons) -> Sequence[Spell]:
        """Who speaks when, one at a time, in windows that follow each other."""
        ...
