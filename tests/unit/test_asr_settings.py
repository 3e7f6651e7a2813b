"""What the recogniser's settings come to, for processors and for graphics cards."""

from pathlib import Path

import pytest

from services.asr._diarizer import Pyannote
from services.asr._helpers import make_helpers
from services.asr._pyannote import PyannoteVad
from services.asr._resemblyzer import Resemblyzer
from services.asr._whisper import model_arguments
from services.asr.settings import Settings
from shared.errors import ModelMissing, SettingsError
from shared.settings import Device


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cpu", "", "int8"), ("cuda", "", "float16"), ("cuda", "int8", "int8"), ("cuda", "int8_float16", "int8_float16")],
)
def test_the_library_is_asked_for_the_device_and_its_precision(device: Device, precision: str, expected: str) -> None:
    """Each device has its usual precision, a setting counts more, and nothing is ever fetched from a hub. A processor
    works on two clips at once, with half of the threads each, a graphics card on one batch."""
    arguments = model_arguments(Settings(asr_device=device, asr_compute_type=precision, worker_threads=4))
    assert arguments == {
        "device": device,
        "compute_type": expected,
        "cpu_threads": 2 if device == "cpu" else 4,
        "num_workers": 2 if device == "cpu" else 1,
        "local_files_only": True,
    }


def test_align_models_are_named_by_language() -> None:
    """A folder may have an equals sign in it; blanks are no part of anything."""
    settings = Settings(asr_align_models="en=/models/en, pt = owner/name@1=2 ,")
    assert settings.align_models == {"en": "/models/en", "pt": "owner/name@1=2"}
    assert Settings().align_models == {}


@pytest.mark.parametrize("value", ["/models/en", "en=", "=/models/en"])
def test_align_models_that_cannot_be_read_are_refused(value: str) -> None:
    """The message names the variable and shows the form."""
    with pytest.raises(SettingsError, match=r"^ASR_ALIGN_MODELS: .*en=MODEL"):
        _ = Settings(asr_align_models=value).align_models


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_pyannote_computes_where_whisper_does(tmp_path: Path, device: Device) -> None:
    """The VAD and the diarizer are made for the device of the settings, with its threads; Silero is for processors."""
    asked = {"asr_device": device, "asr_diarize_model": str(tmp_path), "worker_threads": 3}
    helpers = make_helpers(Settings(asr_vad="pyannote", **asked))  # pyright: ignore[reportArgumentType]
    assert helpers.diarizer
    assert isinstance(helpers.vad, PyannoteVad)
    assert {(model.device, model.threads) for model in (helpers.vad, helpers.diarizer)} == {(device, 3)}
    assert make_helpers(Settings(asr_device=device, asr_diarize_model="none")).vad.name == "silero"


@pytest.mark.parametrize(
    ("engine", "chosen", "expected"),
    [
        ("embedded", "", "resemblyzer"),
        ("light", "", None),
        ("light", "resemblyzer", "resemblyzer"),
        ("embedded", "none", None),
        ("embedded", "owner/name", "owner/name"),
    ],
)
def test_speakers_are_told_apart_unless_the_engine_is_light(engine: str, chosen: str, expected: str | None) -> None:
    """The usual model needs what only the heavier engine has loaded anyway; what is chosen counts more."""
    assert Settings(asr_engine=engine, asr_diarize_model=chosen).diarize_model == expected


def test_what_lies_in_the_folder_says_who_tells_speakers_apart(tmp_path: Path) -> None:
    """The weights of Resemblyzer, or else it is a pipeline of pyannote.audio."""
    settings = Settings(asr_diarize_model=str(tmp_path))
    assert type(make_helpers(settings).diarizer) is Pyannote
    (tmp_path / "pretrained.pt").touch()
    assert type(make_helpers(settings).diarizer) is Resemblyzer


def test_what_runs_beside_whisper_is_told() -> None:
    """Without a model for it, `diarize` and what belongs to it is nothing that the worker follows."""
    about = make_helpers(Settings(asr_diarize_model="none")).describe()
    assert (about["vad"], about["diarization"], about["aligned"]) == ("silero", None, [])
    assert about["follows"] == ["initial_prompt", "hotwords", "word_timestamps", "channels"]


def test_models_beside_whisper_that_are_not_there_are_refused() -> None:
    """Before anything is loaded, by the name of the setting."""
    with pytest.raises(SettingsError, match=r"^ASR_VAD: .*silero, pyannote"):
        make_helpers(Settings(asr_vad="webrtc"))
    with pytest.raises(ModelMissing, match=r"^ASR_DIARIZE_MODEL: nothing "):
        make_helpers(Settings(asr_diarize_model="nothing"))
