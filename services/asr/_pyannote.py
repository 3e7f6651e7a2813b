"""pyannote.audio, loaded quietly; and whether somebody speaks by its segmentation model, which ships with WhisperX."""

import logging
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np

from services.asr._clips import FRAME, RATE, Samples
from shared.errors import SettingsError

_STEP = 0.5
"""Windows of the model begin after this share of one: each moment is heard twice."""
_AT_ONCE = 16


def toolkit(*, threads: int) -> Any:
    """The library. It tells nobody that it is used, gives no advice, and computes on so many threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how it would read files, which is not its part here
        library = import_module("pyannote.audio")
    import_module("pyannote.audio.telemetry").set_telemetry_metrics(False)
    # It advises to rewrite the files that ship with WhisperX.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    import_module("torch").set_num_threads(threads)
    return library


def on_device(model: Any, device: str, *, variable: str) -> Any:
    """`model` where it is to compute. Raises `SettingsError` when there is no such device."""
    try:
        return model.to(import_module("torch").device(device))
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"{variable}: cannot run pyannote with ASR_DEVICE={device}: {error}") from error


class PyannoteVad:
    """The model. What it wants to hear again is handed back and forth, so that one serves many recordings."""

    name = "pyannote"
    listens_on_device = True
    """On a processor, too, it takes as much as a recogniser."""

    def __init__(self, *, device: str, threads: int) -> None:
        self.device = device
        self.threads = threads
        self._inference: Any = None
        self._torch: Any = None
        self._context = 0

    def load(self) -> None:
        """Load the model. Raises `SettingsError` when it does not run on the device."""
        library = toolkit(threads=self.threads)
        self._torch = import_module("torch")
        model = library.Model.from_pretrained(str(files("whisperx") / "assets" / "pytorch_model.bin"))
        duration = model.specifications.duration
        self._context = int(duration * RATE) // FRAME * FRAME
        self._inference = library.Inference(
            on_device(model, self.device, variable="ASR_VAD"),
            duration=duration,
            step=_STEP * duration,
            batch_size=_AT_ONCE,
            pre_aggregation_hook=_anybody,
        )

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples, and what to bring at the next call."""
        before: Samples = np.zeros(0, np.float32) if memory is None else np.asarray(memory, np.float32)
        heard: Samples = np.concatenate([before, samples])
        found = self._inference({"waveform": self._torch.from_numpy(heard[None]), "sample_rate": RATE})
        steps = found.sliding_window
        middles = steps.start + steps.duration / 2 + steps.step * np.arange(len(found.data))
        wanted = (np.arange(len(before), len(heard), FRAME) + FRAME / 2) / RATE
        probabilities: Sequence[float] = np.interp(wanted, middles, np.asarray(found.data)[:, 0]).tolist()
        return probabilities, heard[-self._context :].copy()


def _anybody(scores: Samples) -> Samples:
    """The certainty that at least one of the model's voices speaks."""
    return scores.max(axis=-1, keepdims=True)
