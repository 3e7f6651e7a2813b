"""How models of many languages write their languages: `eng_Latn`, `__en__`, `>>eng<<`.

The mesh knows one code for each language, models may know several: `zho_Hans` and `zho_Hant` are `zh` here. The tag in
the script that the language is mostly written in is taken.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum

import langcodes

from shared.errors import Permanent
from shared.text.language import normalise

_OLD_CODES = {"ns": "nso"}
"""Codes that models use and no standard has."""


class Tag(Enum):
    """A way to write a language as a token of the vocabulary."""

    NLLB = re.compile(r"([a-z]{3}_[A-Z][a-z]{3})")
    M2M = re.compile(r"__([a-z]{2,3})__")
    OPUS = re.compile(r">>([a-zA-Z]{2,3}(?:_[A-Za-z]+)*)<<")

    def among(self, tokens: Iterable[str]) -> Mapping[str, str]:
        """The language of each tag in a vocabulary: codes to tags. Languages that nobody knows are left out."""
        found: dict[str, tuple[tuple[bool, int], str]] = {}
        for token in tokens:
            name = self.value.fullmatch(token)
            code = _code(name[1]) if name else None
            if name is None or code is None:
                continue
            rank = (_script(name[1]) != _script(code), len(token))
            if code not in found or rank < found[code][0]:
                found[code] = (rank, token)
        return {code: tag for code, (_, tag) in found.items()}


def _code(name: str) -> str | None:
    try:
        return normalise(_OLD_CODES.get(name, name))
    except Permanent:
        return None


def _script(name: str) -> str | None:
    return langcodes.Language.get(name).maximize().script
