"""Which models translate, by the settings. Each kind of model has a module of its own beside this one; all of them
import their libraries in `load` and not before."""

from collections.abc import Callable, Mapping

from services.translate._firefox import FirefoxEngine
from services.translate._opennmt import OpenNmtEngine
from services.translate.protocol import Engine
from services.translate.settings import Settings
from shared.settings import choose


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` naming the variable."""
    choices: Mapping[str, Callable[[], Engine]] = {
        "embedded": FirefoxEngine,
        "ctranslate2": lambda: OpenNmtEngine(settings),
    }
    return choose("TRANSLATE_ENGINE", settings.translate_engine, choices)()
