"""Which models recognise speech, by the settings. Each has a module of its own beside this one; all of them import
their libraries in `load` and not before."""

from services.asr._helpers import make_helpers
from services.asr._whisper import WhisperEngine
from services.asr.protocol import Engine
from services.asr.settings import Settings
from shared.models.store import find
from shared.settings import choose


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` or `ModelMissing` naming the
    variable."""
    choices = {"embedded": "whisperx.asr", "light": "faster_whisper"}
    library = choose("ASR_ENGINE", settings.asr_engine, choices)
    find(settings.models_dir, settings.asr_model, variable="ASR_MODEL")  # missed before those that stand beside it
    return WhisperEngine(settings, library=library, helpers=make_helpers(settings))
