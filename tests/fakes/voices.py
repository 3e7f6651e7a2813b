"""A diarizer without a model: how loud somebody is tells who it is."""

from collections.abc import Sequence

import numpy as np

from services.asr._clips import Samples
from services.asr._voices import NOBODY, Persons, Spell, Voices
from tests.fakes.recordings import RATE

_FRAME = RATE // 10
SOFT, LOUD = 0.03, 0.2
"""The first is one person, the second another."""


class LoudnessDiarizer:
    """Windows of two seconds, one each second; two voices in each of them, numbered as they come."""

    window, step = 2 * RATE, RATE
    strangeness = 0.5

    def __init__(self) -> None:
        self.heard = 0
        """Windows so far."""
        self.bounds: list[tuple[int | None, int | None]] = []
        """What was known of how many there are."""

    def hear(self, windows: Sequence[Samples]) -> Sequence[Voices]:
        self.heard += len(windows)
        return [self._voices(window) for window in windows]

    def tell_apart(self, voices: Sequence[Voices], *, least: int | None, most: int | None) -> Persons:
        """Loud ones are person 0 and soft ones 1; all are 0 where there is but one."""
        self.bounds.append((least, most))
        prints = np.stack([window.prints for window in voices])
        who = np.where(np.nan_to_num(prints[..., 0]) > 0, 0, 0 if most == 1 else 1)
        return np.where(np.isnan(prints[..., 0]), NOBODY, who)

    def spells(self, voices: Sequence[Voices], persons: Persons) -> Sequence[Spell]:
        """A spell for each tenth of a second, by the window that begins last."""
        found: dict[int, int] = {}
        for number, (window, own) in enumerate(zip(voices, persons, strict=True)):
            for frame, voice in np.argwhere(window.active):
                found[number * self.step // _FRAME + int(frame)] = int(own[voice])
        return [Spell(frame / 10, (frame + 1) / 10, person) for frame, person in sorted(found.items())]

    def _voices(self, window: Samples) -> Voices:
        frames = np.abs(window.reshape(-1, _FRAME)).mean(axis=1)
        kinds = np.where(frames > (SOFT + LOUD) / 4, 1, np.where(frames > SOFT / 4, 0, -1))
        order = list(dict.fromkeys(kinds[kinds >= 0].tolist()))
        active = np.stack([kinds == kind for kind in (*order, None, None)][:2], axis=1).astype(bool)
        prints = np.full((2, 2), np.nan, np.float32)
        for voice, kind in enumerate(order):
            prints[voice] = (1.0, 0.0) if kind else (0.0, 1.0)
        return Voices(active.astype(np.float16), active, prints)
