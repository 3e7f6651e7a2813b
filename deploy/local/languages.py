"""Languages, as people write them on a command line."""

from collections.abc import Mapping

from shared.errors import Permanent, SettingsError
from shared.language import normalise


def check_languages(given: Mapping[str, str]) -> None:
    """Raises `SettingsError` where what an option has been given is no language: before a mesh is started for it.
    Whether that works on the language, only its workers know."""
    for option, name in given.items():
        if name and name.lower() != "auto":
            try:
                normalise(name)
            except Permanent as error:
                raise SettingsError(f"{option}: {error.message}") from error
