"""Whether somebody speaks: the Silero VAD that ships with faster-whisper, fed window by window."""

from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from services.asr._clips import FRAME, Samples

_CONTEXT_FRAMES = 64
"""What Silero wants to hear again of the frame before, in samples."""


class _Memory(msgspec.Struct):
    """What the VAD knows of the recording so far."""

    hidden: Any
    cell: Any
    context: Samples


class Silero:
    """The model. What it knows of a recording is handed back and forth, so that one serves many."""

    name = "silero"
    listens_on_device = False
    """It is small and runs on a processor, on one thread, beside whatever else computes."""

    def __init__(self) -> None:
        self._session: Any = None

    def load(self) -> None:
        """Load the model, for one thread: it is small, and more only wait for each other."""
        onnxruntime = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        file = files("faster_whisper") / "assets" / "silero_vad_v6.onnx"
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples, and what to bring at the next call."""
        if memory is None:
            state = np.zeros((1, 1, 128), np.float32)
            memory = _Memory(state, state, np.zeros(_CONTEXT_FRAMES, np.float32))
        assert isinstance(memory, _Memory)
        rows = samples.reshape(-1, FRAME)
        contexts = np.vstack([memory.context, rows[:-1, -_CONTEXT_FRAMES:]])
        heard, hidden, cell = self._session.run(
            None, {"input": np.hstack([contexts, rows]), "h": memory.hidden, "c": memory.cell}
        )
        probabilities: list[float] = np.asarray(heard).reshape(-1).tolist()
        return probabilities, _Memory(hidden, cell, rows[-1, -_CONTEXT_FRAMES:])
