"""Which models translate, by the settings. Each kind of model has a module of its own beside this one; all of them
import their libraries in `load` and not before."""

from collections.abc import Callable, Mapping

from services.translate._firefox import FirefoxTranslator
from services.translate._opennmt import OpenNmtTranslator
from services.translate.settings import Settings
from services.translate.stage import Translator
from shared.settings import choose


def make_engine(settings: Settings) -> Translator:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` naming the variable."""
    choices: Mapping[str, Callable[[], Translator]] = {
        "embedded": FirefoxTranslator,
        "ctranslate2": lambda: OpenNmtTranslator(settings),
    }
    return choose("TRANSLATE_ENGINE", settings.translate_engine, choices)()
