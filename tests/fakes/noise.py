"""A recogniser that takes noise for speech, and recordings for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.asr._clips import FRAME, Samples
from services.asr._voices import Diarizer
from services.asr.protocol import Heard, Hints, Request
from services.asr.stage import run
from shared.messages import Document, Options, Word
from tests.fakes.recordings import RATE, write_wave
from tests.fakes.stage import FakeEmit, FakeWork

LOUD = 0.02


class NoiseEngine:
    """Takes noise for speech. In each second of a clip it hears one word; every fourth ends a sentence."""

    languages = frozenset({"en", "pt"})
    batch_size = 4
    longest_seconds = 3_600.0
    listens_on_device = False
    diarizer: Diarizer | None = None

    def __init__(
        self,
        *scores: float,
        later: float | None = None,
        late: float = 0.0,
        astray: float = 0.0,
        most: int = 30,
        quiet: float = 0.0,
    ) -> None:
        """It guesses Portuguese with `scores`, and once that is known with `later`, or else the last of them; what is
        not as loud as `quiet` is certainly English. Words are said to end `late`, or to lie `astray`, by so
        many seconds."""
        self.heard: list[tuple[int, Hints]] = []
        """How many clips each call brought, and the hints."""
        self._scores = list(scores)
        self._later = later if later is not None else scores[-1] if scores else 0.9
        self._late = late
        self._astray = astray
        self._quiet = quiet
        self._most = most

    def load(self) -> None: ...
    def warm_up(self) -> None: ...
    def describe(self) -> dict[str, Any]:
        return {}

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        assert len(samples) % FRAME == 0
        return np.clip(np.abs(samples.reshape(-1, FRAME)).mean(1) / LOUD, 0, 1).tolist(), memory or "memory"

    def effort(self, clips: Sequence[Samples]) -> float:
        return sum(len(clip) for clip in clips) / (30 * RATE)

    def cuts(self, hints: Hints) -> bool:
        return len(hints.prompt or "") > 1000

    def transcribe(self, requests: Sequence[Request]) -> Sequence[Heard]:
        return [self.hear(request.clips, request.hints) for request in requests]

    def hear(self, clips: Sequence[Samples], hints: Hints) -> Heard:
        """The answer to one request."""
        self.heard.append((len(clips), hints))
        known = hints.language or hints.likely
        score = self._later if known else self._scores.pop(0) if self._scores else 0.9
        words = [self._words(min(int(len(clip) / RATE), self._most)) for clip in clips]
        return Heard(
            language=known or self.language_of(clips[0]) or "pt",
            language_score=None if known else score,
            clips=words,
            languages=[self.language_of(clip) or known or "pt" for clip in clips],
            scores=[None if hints.language else score] * len(clips),
        )

    def language_of(self, clip: Samples) -> str | None:
        """What `clip` is certainly in; None where that is not known."""
        return "en" if self._quiet and np.abs(clip).mean() < self._quiet else None

    def _words(self, count: int) -> list[Word]:
        stops = ["." if second % 4 == 3 or second == count - 1 else "" for second in range(count)]
        return [
            Word(text=f" Word{second}{stop}", start=start, end=start + 1 + self._late, score=0.9)
            for second, stop in enumerate(stops)
            for start in [second + self._astray]
        ]


def recording(folder: Path, *parts: tuple[str, float], name: str = "a.wav") -> Path:
    """Stretches of `noise` and `silence`, each with its seconds."""
    random = np.random.default_rng(1)
    loud = {"noise": 8000, "silence": 0}
    pieces = [random.normal(0, 1, int(seconds * RATE)) * loud[kind] for kind, seconds in parts]
    return write_wave(folder / name, np.concatenate(pieces).clip(-32768, 32767))


async def transcribe(
    path: Path, engine: NoiseEngine | None = None, options: Options | None = None
) -> tuple[Document, FakeWork, FakeEmit]:
    """What the stage makes of a recording, undisturbed."""
    work = FakeWork(options, audio=path)
    emit = FakeEmit(work)
    return await run(work, engine or NoiseEngine(), emit), work, emit
