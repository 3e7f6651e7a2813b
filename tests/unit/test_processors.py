"""How many processors a container may use."""

from pathlib import Path

import pytest

from services.asr._whisper import model_arguments as for_whisper
from services.asr.settings import Settings as AsrSettings
from services.nlp.settings import Settings as NlpSettings
from services.translate._model import model_arguments as for_translator
from services.translate.settings import Settings as TranslateSettings
from shared.inference import processors
from shared.inference.processors import available


@pytest.mark.parametrize(("quota", "most"), [("100000 100000", 1), ("50000 100000", 1), ("150000 100000", 2)])
def test_a14_a_quota_is_respected(tmp_path: Path, quota: str, most: int) -> None:
    """A container limited to less than the machine gets no more threads than its limit, and at least one."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert 1 <= available(file) <= most


def whisper_threads(settings: AsrSettings) -> int:
    """How many it computes with."""
    arguments = for_whisper(settings)
    return arguments["cpu_threads"] * arguments["num_workers"]


@pytest.mark.parametrize("content", ["max 100000", "", "nonsense"])
def test_without_a_quota_affinity_counts(tmp_path: Path, content: str) -> None:
    """No limit, or a file that says nothing, leaves what the process may run on."""
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert available(file) == available(tmp_path / "absent") >= 1


def test_a14_the_engines_take_as_many_threads_as_the_container_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a setting says how many."""
    monkeypatch.setattr(processors, "available", lambda: 3)
    assert for_translator(TranslateSettings())["intra_threads"] == 3
    assert (NlpSettings().threads, NlpSettings(worker_threads=5).threads) == (1, 5), "half of them"
    assert whisper_threads(AsrSettings()) == 2, "one for each of its two lanes"
    monkeypatch.setattr(processors, "available", lambda: 1)
    assert whisper_threads(AsrSettings()) == 2, "fewer than one for a lane cannot be"
    assert whisper_threads(AsrSettings(worker_threads=6)) == 6
    assert for_translator(TranslateSettings(worker_threads=5))["intra_threads"] == 5
