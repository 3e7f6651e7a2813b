"""In which language a text is, by its letters and how they follow each other. For text what a recogniser's ear is for
speech: every stage behind it relies on the answer.

The tables are those of CLD2, 2 MB that answer within milliseconds. Where it cannot be installed, no language is known
but by what the client says.
"""

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

from shared.errors import Permanent
from shared.language import normalise

_ENOUGH_CHARACTERS = 20_000
"""Of a longer text the beginning tells its language."""

# What is no text to the library: control characters, and code points that stand for none.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]|[^\x00-\uffff]")


class Guess(NamedTuple):
    """An ISO 639 code, and how much of the text is in it: 0 to 1."""

    language: str
    share: float


def guess(text: str) -> Guess | None:
    """The language of `text`, None when there is too little of it to tell."""
    detect = _detector()
    if detect is None:
        return None
    reliable, _, found = detect(_UNREADABLE.sub(" ", text[:_ENOUGH_CHARACTERS]), isPlainText=True)
    _, code, percent, _ = found[0]
    if not reliable:
        return None
    try:
        return Guess(normalise(code), percent / 100)
    except Permanent:  # it found a script and no language
        return None


def _detector() -> Callable[..., Any] | None:
    try:
        return cast("Callable[..., Any]", import_module("pycld2").detect)
    except ImportError:
        return None
