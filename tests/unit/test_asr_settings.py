"""What the recogniser's settings come to, for processors and for graphics cards."""

import pytest

from services.asr.engine import model_arguments
from services.asr.settings import Settings
from shared.errors import SettingsError


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cpu", "", "int8"), ("cuda", "", "float16"), ("cuda", "int8", "int8"), ("cuda", "int8_float16", "int8_float16")],
)
def test_the_library_is_asked_for_the_device_and_its_precision(device: str, precision: str, expected: str) -> None:
    """Each device has its usual precision, a setting counts more, and nothing is ever fetched from a hub."""
    arguments = model_arguments(Settings(asr_device=device, asr_compute_type=precision, worker_threads=3))
    assert arguments == {"device": device, "compute_type": expected, "cpu_threads": 3, "local_files_only": True}


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
