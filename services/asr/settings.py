"""The settings of the asr service."""

from typing import Annotated

import msgspec

from shared.errors import SettingsError
from shared.settings import Count, Device, StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the asr worker reads besides what every worker reads."""

    asr_engine: str = "embedded"
    """`embedded`: Whisper as WhisperX runs it. `light`: the same model and the same text without WhisperX around it;
    it starts in a sixth of the time and takes a third of the memory."""
    asr_model: str = "whisper-base"
    """A Whisper model of any size for CTranslate2: a folder, a name of the manifest, or `owner/name` of a hub."""
    asr_device: Device = "cpu"
    """Where it computes."""
    asr_compute_type: str = ""
    """Precision, as CTranslate2 names it. The default is the fastest that loses nothing that can be heard: `int8` on
    processors, `float16` on graphics cards. `int8_float16` takes half the memory of a card."""
    asr_batch_size: Count = 4
    """Stretches of 30 s that are transcribed at once, of whichever tasks; more of them when they are shorter. More is
    faster on a graphics card only; 4 keep one call, and so the wait for a cancelled task, within seconds on two
    processors."""
    asr_silence_seconds: Annotated[float, msgspec.Meta(ge=0)] = 15.0
    """Silence that Whisper sees behind a clip, at most up to its full window of 30 s. Less is faster for short clips:
    15 takes about two thirds of the time of the full window for sentences of a few seconds, and hears the same. With 10
    it begins to mishear a word here and there, with less than 8 to say things twice."""
    asr_beam_size: Count = 5
    """Hypotheses that are followed. Whisper's own default; 1 is faster and makes more mistakes."""

    asr_vad: str = "silero"
    """What finds speech: `silero`, or `pyannote`, the segmentation model that ships with WhisperX. On processors that
    takes several times as long."""
    asr_diarize_model: str = ""
    """What tells speakers apart, for tasks that ask for it: `resemblyzer`, a pipeline of pyannote.audio (a folder with
    its `config.yaml`, or a name as for `ASR_MODEL`), or `none`. The default is `resemblyzer`, and `none` for
    `ASR_ENGINE=light`, which would start as slowly as the other. With `none` such tasks are told that it cannot be
    done."""

    asr_align_models: str = ""
    """Models that tell more exactly when each word is said: `en=MODEL,pt=MODEL`, each a folder, or a name as for
    `ASR_MODEL`, with a wav2vec2 model for CTC of transformers. Word times of other languages are Whisper's own."""

    @property
    def align_models(self) -> dict[str, str]:
        """The model of each language. Raises `SettingsError` for what is not of the form `language=model`."""
        pairs = [entry.partition("=") for entry in self.asr_align_models.split(",") if entry.strip()]
        models = {language.strip(): name.strip() for language, _, name in pairs}
        if not all(language and name for language, name in models.items()):
            raise SettingsError("ASR_ALIGN_MODELS: write it as en=MODEL,pt=MODEL")
        return models

    @property
    def diarize_model(self) -> str | None:
        """The model that tells speakers apart, None when nothing is to."""
        usual = "none" if self.asr_engine == "light" else "resemblyzer"
        name = self.asr_diarize_model or usual
        return None if name == "none" else name

    @property
    def compute_type(self) -> str:
        """The precision that is asked for, or the usual one of the device."""
        return self.asr_compute_type or ("float16" if self.asr_device == "cuda" else "int8")
