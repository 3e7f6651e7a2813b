"""Which models find insights, by the settings. Each has a module of its own beside this one; all of them import their
libraries in `load` and not before."""

from collections.abc import Callable, Mapping

from services.insights._chat import Chat
from services.insights._grammar import GrammarEngine
from services.insights.protocol import Engine
from services.insights.settings import Settings
from shared.errors import SettingsError
from shared.settings import choose


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` naming the variable."""
    choices: Mapping[str, Callable[[Settings], Chat | None]] = {"embedded": lambda _: None, "llm": _chat}
    return GrammarEngine(settings, choose("INSIGHTS_ENGINE", settings.insights_engine, choices)(settings))


def _chat(settings: Settings) -> Chat:
    for name in ("llm_base_url", "llm_model"):
        if not getattr(settings, name):
            raise SettingsError(f"{name.upper()}: INSIGHTS_ENGINE=llm needs it")
    if not settings.llm_base_url.startswith(("http://", "https://")):
        raise SettingsError("LLM_BASE_URL: it must begin with http:// or https://")
    return Chat(settings)
