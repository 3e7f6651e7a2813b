"""The two trials that a mesh is put to: many small tasks with engines that cost nothing, and a few with real models."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.chaos.crowd import KINDS, SHORT, Kind
from tests.chaos.misfortunes import Tempo
from tests.fakes.recordings import speech, wav_of

_RECORDINGS = 10
_SECONDS = 60


class Trial(NamedTuple):
    """Workers of each stage, fake or `real`, with these settings of their own; the ways in which people use them, with
    these recordings and so much patience; and the tempo of what befalls them."""

    environ: Mapping[str, str]
    per_stage: int
    real: bool
    kinds: Sequence[Kind]
    recordings: Mapping[str, bytes]
    patience_seconds: float
    tempo: Tempo


def quick(per_stage: int) -> Trial:
    """Engines that cost nothing, and a misfortune every one to two seconds."""
    return Trial(
        environ={"FAKE_SEGMENTS": "5", "FAKE_SECONDS": "0.04", "DRAIN_SECONDS": "0.3"},
        per_stage=per_stage,
        real=False,
        kinds=KINDS,
        recordings=SHORT,
        patience_seconds=120.0,
        tempo=Tempo(pauses=(1.0, 2.0), lease_seconds=1.5),
    )


def real() -> Trial:
    """The embedded models, and ten recordings of a minute. Models take seconds to load, so there is more time between
    misfortunes."""
    recordings = {
        f"minute {number}": wav_of(speech(_SECONDS, begin=number / _RECORDINGS)) for number in range(_RECORDINGS)
    }
    return Trial(
        environ={"DRAIN_SECONDS": "2"},
        per_stage=2,
        real=True,
        kinds=[Kind(name, translation=True, insights=True) for name in recordings],
        recordings=recordings,
        patience_seconds=900.0,
        tempo=Tempo(pauses=(6.0, 12.0), lease_seconds=5.0),
    )
