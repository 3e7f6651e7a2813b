"""What the translator's settings come to, for processors and for graphics cards."""

import pytest

from services.translate._model import model_arguments
from services.translate.settings import Settings
from shared.settings import Device


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cpu", "", "int8"), ("cuda", "", "float16"), ("cuda", "int8", "int8"), ("cuda", "int8_float16", "int8_float16")],
)
def test_the_library_is_asked_for_the_device_and_its_precision(device: Device, precision: str, expected: str) -> None:
    """Each device has its usual precision, and a setting counts more."""
    arguments = model_arguments(Settings(translate_device=device, translate_compute_type=precision, worker_threads=3))
    assert arguments == {"device": device, "compute_type": expected, "intra_threads": 3}
