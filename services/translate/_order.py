"""What `TRANSLATE_MODELS` asks for."""

from collections.abc import Sequence

import msgspec

from shared.errors import Permanent, SettingsError
from shared.text.language import normalise

VARIABLE = "TRANSLATE_MODELS"


class Order(msgspec.Struct, frozen=True):
    """A model by name or folder. `sources` and `targets` are empty where the setting leaves them to the model."""

    name: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def read(text: str) -> Sequence[Order]:
    """The orders in `text`: `[sources-targets=]model`, with commas between, languages joined by `+`.

    Raises `SettingsError` when there is none, or a language that nobody knows."""
    orders = [_order(part.strip()) for part in text.split(",") if part.strip()]
    if not orders:
        raise SettingsError(f"{VARIABLE}: name at least one model, such as Helsinki-NLP/opus-mt-en-de")
    return orders


def language(variable: str, name: str) -> str:
    """The code of the language `name`. Raises `SettingsError` naming the variable."""
    try:
        return normalise(name)
    except Permanent as error:
        raise SettingsError(f"{variable}: {error.message}") from error


def languages(variable: str, names: str) -> frozenset[str]:
    """The codes of the languages in a list with commas between."""
    return frozenset(language(variable, name) for name in names.split(",") if name.strip())


def _order(text: str) -> Order:
    languages, mark, name = text.rpartition("=")
    if not mark:
        return Order(text)
    sides = [
        tuple(language(VARIABLE, one) for one in side.split("+")) for side in languages.replace("_", "-").split("-")
    ]
    if len(sides) != 2 or not name:
        raise SettingsError(f"{VARIABLE}: write en-de={name or 'MODEL'}, not {text}")
    return Order(name.strip(), sources=sides[0], targets=sides[1])
