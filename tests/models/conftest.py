"""Models that several modules of tests use, loaded once."""

from pathlib import Path

import pytest

from services.asr._recogniser import Recogniser
from services.asr.engine import make_engine
from tests.models.hearing import AUDIO, asr_settings


@pytest.fixture(scope="session")
def whisper() -> Recogniser:
    """Whisper base."""
    recogniser = make_engine(asr_settings())
    recogniser.load()
    recogniser.warm_up()
    return recogniser


@pytest.fixture
def audio() -> Path:
    """The folder with the recordings."""
    if not AUDIO.is_dir():
        pytest.skip(f"no recordings in {AUDIO}: set VOXMESH_AUDIO to a folder with jfk.flac and the LibriVox lines")
    return AUDIO
