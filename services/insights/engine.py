"""Which models find insights, by the settings. Each has a module of its own beside this one; all of them import their
libraries in `load` and not before."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

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
    if not _names_a_server(settings.llm_base_url):
        raise SettingsError("LLM_BASE_URL: it must be http://host:port/… or https://…")
    if not (settings.llm_api_key.isascii() and settings.llm_api_key.isprintable()):
        raise SettingsError("LLM_API_KEY: it must hold ASCII characters only, since it goes into a header")
    return Chat(settings)


def _names_a_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
