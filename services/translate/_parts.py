"""Cuts a sentence that is too long for a model into parts that are not. Nothing is ever cut off."""

import re
from collections.abc import Callable, Iterator

from services.translate._masks import verbatim

_PAUSE = re.compile(r"[,;:，、；：—–][\"'”’)]*\s+|[、，；：]")
_GAP = re.compile(r"\s+")
WITHOUT_SPACES = frozenset({"bo", "ja", "km", "lo", "my", "th", "yue", "zh"})
"""Languages whose words stand side by side."""


def parts(sentence: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """`sentence` in parts that fit, halved behind a pause, between words, or between characters, whichever comes first.
    What is verbatim, and a single character, is a part even if it does not fit."""
    place = None if fits(sentence) else _middle(sentence)
    if place is None:
        yield sentence
        return
    for half in (sentence[:place].strip(), sentence[place:].strip()):
        if half:
            yield from parts(half, fits)


def glue(translations: list[str], target: str) -> str:
    """The translations of parts as one sentence of the language `target`."""
    return ("" if target in WITHOUT_SPACES else " ").join(translations)


def _middle(sentence: str) -> int | None:
    """Where to cut: near the middle, so that both halves are about as long."""
    length, spans = len(sentence), verbatim(sentence)
    for pattern, most in ((_PAUSE, 0.25), (_GAP, 0.5)):
        cuts = [found.end() for found in pattern.finditer(sentence) if 0 < found.end() < length]
        near = [cut for cut in cuts if abs(cut - length / 2) <= most * length]
        free = [cut for cut in near if not any(start < cut < end for start, end in spans)]
        if free:
            return min(free, key=lambda cut: abs(cut - length / 2))
    return length // 2 if length > 1 and not spans else None
