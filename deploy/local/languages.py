"""Languages, as people write them on a command line: judged before a mesh is started for them."""

from collections.abc import Mapping

from shared.errors import Permanent, SettingsError
from shared.models.manifest import PAIRS
from shared.settings import BaseSettings, load
from shared.text.language import normalise

_EMBEDDED = "embedded"


def check_languages(given: Mapping[str, str]) -> None:
    """Raises `SettingsError` where what an option has been given is no language. Whether a mesh that runs elsewhere
    works on it, only its workers know."""
    for option, name in given.items():
        if name and name.strip().lower() != "auto":
            try:
                normalise(name)
            except Permanent as error:
                raise SettingsError(f"{option}: {error.message}") from error


def check_pair(environ: Mapping[str, str], source: str, target: str, *, option: str) -> None:
    """Raises `SettingsError` where a mesh that is started here would have no model for a translation from `source`,
    empty or `auto` where that is to be heard, to `target`, by default what the settings say. What other models than
    those of the pack can do shows only when they are loaded."""
    if environ.get("TRANSLATE_ENGINE", _EMBEDDED) != _EMBEDDED:
        return
    target = normalise(target or load(BaseSettings, environ).default_target_language)
    spoken = "" if source.lower() == "auto" else source
    spoken = spoken and normalise(spoken)
    if spoken == target or any(target == into and spoken in ("", of) for of, into in PAIRS):
        return
    wanted = f"from {spoken} to {target}" if spoken else f"to {target}"
    offered = ", ".join(f"{of} to {into}" for of, into in sorted(PAIRS))
    raise SettingsError(
        f"{option}: no model here translates {wanted}. There are: {offered}; docs/models.md tells how others come in"
    )
