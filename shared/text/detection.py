"""In which language a text is, by its letters and how they follow each other. For a text that is submitted, what a
recogniser's ear is for speech: every stage behind it relies on the answer. For a translation, whether it is one.

The tables are those of CLD2, 2 MB that answer within milliseconds. Where it cannot be installed, no language is known
but by what the client says.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, cast

from shared.errors import Permanent
from shared.text.language import normalise

_ENOUGH_CHARACTERS = 20_000
"""Of a longer text the beginning tells its language."""

# What is no text to the library: control characters, and code points that stand for none.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]|[^\x00-\uffff]")


class Guess(NamedTuple):
    """An ISO 639 code, and how much of the text is in it: 0 to 1."""

    language: str
    share: float


def guess(text: str, *, likely: str = "") -> Guess | None:
    """The language of `text`, None when there is too little of it to tell. Where it could be in several languages that
    are much alike, it is in the one that is `likely`."""
    detect = _detector()
    if detect is None:
        return None
    hint = {"hintLanguage": code} if (code := _own_codes().get(likely)) else {}
    reliable, _, found = detect(_UNREADABLE.sub(" ", text[:_ENOUGH_CHARACTERS]), isPlainText=True, **hint)
    _, code, percent, _ = found[0]
    if not reliable:
        return None
    language = _normal(code)  # None where it found a script and no language
    return Guess(language, percent / 100) if language else None


def can_tell(language: str) -> bool:
    """Whether text in this language (ISO 639) would be recognised."""
    return language in _own_codes()


def _detector() -> Callable[..., Any] | None:
    try:
        return cast("Callable[..., Any]", import_module("pycld2").detect)
    except ImportError:
        return None


@cache
def _own_codes() -> Mapping[str, str]:
    """The codes of the tables by those of the mesh."""
    if _detector() is None:
        return {}
    library: Any = import_module("pycld2")
    known = {code for name, code in library.LANGUAGES if name in library.DETECTED_LANGUAGES}
    # The shortest last, so that it counts: `zh` and not `zh-Hant`.
    return {language: code for code in sorted(known, key=len, reverse=True) if (language := _normal(code))}


def _normal(code: str) -> str | None:
    try:
        return normalise(code)
    except Permanent:
        return None
