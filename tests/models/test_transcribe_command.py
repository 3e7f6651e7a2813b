"""`voxmesh transcribe` without a mesh: it starts one with the embedded models, shows the work, and stops it."""

import re
from pathlib import Path

import psutil
import pytest

from shared.models.manifest import PACK
from shared.models.store import Presence, listing
from shared.settings import BaseSettings, load
from tests.fakes.terminal import VOXMESH, Terminal

pytestmark = pytest.mark.timeout(300)  # five services start, and load their models

SAID = ("weekly review", "Thank you, Emma", "Siemens", "That is wonderful", "Toyota", "Laura Johnson", "budget report")
"""Of the sample. Which of its sentences are drawn depends on how many come at a time."""


def test_a_recording_is_transcribed_and_translated_in_a_terminal(tmp_path: Path, recording: Path) -> None:
    """From nothing to subtitles in two languages: progress and words are seen before the end, no process is left."""
    folder = load(BaseSettings, {}).models_dir
    if any(found.presence is not Presence.READY for found in listing(folder) if found.model.name in PACK):
        pytest.skip("the models have not been fetched: make models")
    words = [str(recording), "--language", "en", "--translate", "pt", "-f", "srt", "-o", str(tmp_path / "out")]
    environ = {"VOXMESH_HOME": str(tmp_path / "no-mesh"), "VOXMESH_URL": "", "TMPDIR": str(tmp_path)}
    with Terminal([*VOXMESH, "transcribe", *words], environ=environ) as terminal:
        terminal.until(lambda text: "asr is ready" in text, seconds=200)
        shown = terminal.until(lambda text: any(words in text for words in SAID), seconds=100)
        assert re.search(r"sample\.ogg.*━.*\d+ %", shown)
        assert not (tmp_path / "out/sample.srt").exists()
        assert terminal.ended(seconds=100) == 0
    assert "Perfeito." in terminal.shown  # the sentence before the last stands there while the text is read
    assert "Siemens" in (tmp_path / "out/sample.srt").read_text()
    assert "Obrigado" in (tmp_path / "out/sample.pt.srt").read_text()
    assert [process.pid for process in psutil.process_iter() if str(tmp_path) in _temporary(process)] == []


def _temporary(process: psutil.Process) -> str:
    """Where the process keeps what is temporary."""
    try:
        return process.environ().get("TMPDIR", "")
    except psutil.Error:  # it has just ended, or is somebody else's
        return ""
