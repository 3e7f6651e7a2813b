"""The models that stand beside the recogniser: one that finds speech, and what the settings ask for besides."""

from typing import Any

import msgspec
import numpy as np

from services.asr._aligner import Aligner
from services.asr._clips import FRAME
from services.asr._diarizer import VARIABLE, Pyannote
from services.asr._pyannote import PyannoteVad
from services.asr._resemblyzer import WEIGHTS, Resemblyzer
from services.asr._silero import Silero
from services.asr.settings import Settings
from shared.models.store import find
from shared.settings import choose


class Helpers(msgspec.Struct, frozen=True, kw_only=True):
    """What finds speech, what tells when each word is said, and what tells speakers apart."""

    vad: Silero | PyannoteVad
    aligner: Aligner | None
    diarizer: Pyannote | None

    def load(self) -> None:
        """Load all of them. Raises `ModelMissing` and `SettingsError` as they do."""
        for model in (self.vad, self.aligner, self.diarizer):
            if model:
                model.load()

    def warm_up(self) -> None:
        """Run once those that take every recording."""
        self.vad.listen(np.zeros(FRAME, np.float32), None)
        if self.diarizer:
            self.diarizer.hear([np.zeros(self.diarizer.window, np.float32)])

    def describe(self) -> dict[str, Any]:
        """What they add to what the engine can do."""
        follows = ["initial_prompt", "hotwords", "word_timestamps", "channels"]
        if self.diarizer:
            follows += ["diarize", "num_speakers", "min_speakers", "max_speakers"]
        return {
            "vad": self.vad.name,
            "aligned": self.aligner.languages if self.aligner else [],
            "diarization": self.diarizer.name if self.diarizer else None,
            "follows": follows,
        }


def make_helpers(settings: Settings) -> Helpers:
    """Those that the settings ask for, not loaded yet. Raises `SettingsError` or `ModelMissing` naming the variable."""
    device, models_dir = settings.asr_device, settings.models_dir
    vads = {"silero": Silero(), "pyannote": PyannoteVad(device=device, threads=settings.threads)}
    folders = {
        code: find(models_dir, model, variable="ASR_ALIGN_MODELS") for code, model in settings.align_models.items()
    }
    return Helpers(
        vad=choose("ASR_VAD", settings.asr_vad, vads),
        aligner=Aligner(folders, device=device, threads=settings.threads) if folders else None,
        diarizer=_diarizer(settings),
    )


def _diarizer(settings: Settings) -> Pyannote | None:
    """What tells speakers apart, by what lies in the folder of its model."""
    name = settings.diarize_model
    if name is None:
        return None
    folder = find(settings.models_dir, name, variable=VARIABLE)
    kind = Resemblyzer if (folder / WEIGHTS).is_file() else Pyannote
    return kind(
        settings.models_dir,
        name,
        device=settings.asr_device,
        threads=settings.threads,
        batch_size=settings.asr_batch_size,
    )
