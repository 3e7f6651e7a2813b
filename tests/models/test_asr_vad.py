"""pyannote's segmentation model, which ships with WhisperX, as what finds speech."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from services.asr._clips import FRAME
from services.asr._pyannote import PyannoteVad
from tests.fakes.recordings import RATE, Sound, speech
from tests.fakes.voice import say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ONSET = 0.5


@pytest.fixture(scope="module")
def vad() -> PyannoteVad:
    """The model, loaded."""
    vad = PyannoteVad(device="cpu", threads=1)
    vad.load()
    return vad


def listened(vad: PyannoteVad, samples: Sound, *, frames: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """In which frames somebody speaks, heard so many at a time."""
    memory: object | None = None
    found: list[float] = []
    whole = samples[: len(samples) // FRAME * FRAME]
    for start in range(0, len(whole), frames * FRAME):
        piece = whole[start : start + frames * FRAME]
        probabilities, memory = vad.listen(piece, memory)
        assert len(probabilities) * FRAME == len(piece)
        found += probabilities
    assert all(0 <= probability <= 1 for probability in found)
    return np.array(found) >= ONSET


def test_speech_is_found_where_it_is(vad: PyannoteVad, tmp_path: Path) -> None:
    """Between silence and noise, to a few hundredths of a second at both ends, heard in pieces of some seconds."""
    noise = np.random.default_rng(1).normal(0, 0.05, 6 * RATE).astype(np.float32)
    said = say(tmp_path, "Who pays for it, and when will it be finished?")
    before, behind = np.zeros(5 * RATE, np.float32), np.zeros(RATE, np.float32)
    spoken = listened(vad, np.concatenate([before, said, behind, noise]), frames=128)
    places = np.flatnonzero(spoken) * FRAME / RATE
    assert places[0] == pytest.approx(5.0, abs=0.2)
    assert places[-1] == pytest.approx(5.0 + len(said) / RATE, abs=0.4)
    assert spoken[int(5.2 * RATE / FRAME) : int(4.8 * RATE / FRAME) + len(said) // FRAME].mean() > 0.8


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_nobody_speaks_where_nothing_is_said(vad: PyannoteVad, kind: str) -> None:
    """In half a minute of silence, and of noise."""
    loudness = {"silence": 0.0, "noise": 0.05}[kind]
    samples = np.random.default_rng(1).normal(0, loudness, 30 * RATE).astype(np.float32)
    assert not listened(vad, samples, frames=384).any()


def test_it_hears_the_same_in_pieces(vad: PyannoteVad) -> None:
    """What it is given at once hardly matters: nothing is lost where two pieces meet."""
    samples = speech(40.0)
    whole = listened(vad, samples, frames=1_250)
    pieces = listened(vad, samples, frames=125)
    assert 0.6 < whole.mean() < 0.98
    assert (whole == pieces).mean() > 0.97


def test_nobody_is_told_that_it_is_used(vad: PyannoteVad) -> None:
    """pyannote.audio would tell its makers how often it is used."""
    assert vad
    assert not import_module("pyannote.audio.telemetry.metrics").is_metrics_enabled()


def test_what_it_keeps_does_not_grow(vad: PyannoteVad) -> None:
    """Of the past it wants a few seconds again, however long the recording is."""
    memory: object | None = None
    sizes: list[int] = []
    for _ in range(4):
        _, memory = vad.listen(speech(8.0)[: 250 * FRAME], memory)
        sizes.append(np.asarray(memory).size)
    assert sizes[1:] == [sizes[1]] * 3
    assert sizes[1] <= 5 * RATE
