"""One spelling for each language: ISO 639-1 where there is a code, else ISO 639-3.

Clients write languages as tags or names; recognisers and translators know bare codes. Script and region are dropped:
`zh-Hant` is `zh`, `pt-BR` is `pt`.
"""

import re

import langcodes
from langcodes.tag_parser import LanguageTagError

from shared.errors import Permanent

LONGEST = 64
"""Characters of the longest language name, generously."""

_CODE = re.compile(r"[\x00-\x7f]{0,3}")
"""What can only be a code and never a name: `en-` must not find the language Enc."""

_SPOKEN_AS = {"fil": "tl", "nb": "no"}
"""Codes that stand for the same speech as one that the models know it by."""

_NO_LANGUAGE = frozenset({"mis", "mul", "und", "zxx"})


def normalise(text: str) -> str:
    """The code of the language that `text` names: a BCP 47 tag in any case, with `-` or `_`, or a name in English or
    in the language itself. Raises `Permanent` with the code `unsupported_language` for anything else."""
    name = text.strip().replace("_", "-")
    found = _by_tag(name) or _by_name(name)
    if found is None:
        raise Permanent("unsupported_language", f"'{text[:LONGEST]}' is not a language{_suggestion(name)}.")
    code = found.prefer_macrolanguage().language or ""
    return _SPOKEN_AS.get(code, code)


def english_name(code: str) -> str:
    """What the language is called in English, in small letters: `portuguese` for `pt`."""
    return langcodes.Language.get(code).display_name().lower()


def _by_tag(name: str) -> langcodes.Language | None:
    try:
        found = langcodes.Language.get(name)
    except LanguageTagError:
        return None
    if not found.language or found.language in _NO_LANGUAGE or found.language.startswith("x-"):
        return None
    return found if found.is_valid() else None


def _by_name(name: str) -> langcodes.Language | None:
    if len(name) > LONGEST or _CODE.fullmatch(name):
        return None
    try:
        return langcodes.find(name)
    except LookupError:
        return None


def _suggestion(name: str) -> str:
    """The language that is mostly spoken where the mistaken code is a country: `jp` was meant as `ja`."""
    place = langcodes.Language.make(territory=name.upper())
    if len(name) != 2 or not place.is_valid():
        return "; write a code such as en or pt-BR, or a name such as english"
    meant = place.maximize().language or ""
    return f"; did you mean '{meant}' ({langcodes.Language.get(meant).display_name()})?"
