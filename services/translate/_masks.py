"""Hides from a model what must come out of it unchanged: `X1` stands in for it, a word that models copy.

Pure text work. A mask that the model loses or doubles is noticed, never guessed at.
"""

import re
from collections.abc import Sequence

import msgspec

Span = tuple[int, int]
"""Start and end of a piece of text, in characters."""

_MASK = re.compile(r"X(\d+)")

_VERBATIM = re.compile(
    r"""
      (?:(?:https?|ftp)://|www\.)[^\s<>"]*[^\s<>".,;:!?)\]}'…]    # addresses
    | [\w.+%-]+@[\w-]+(?:\.[\w-]+)+                               # e-mail
    | </?[A-Za-z][^<>]{0,200}>                                    # tags
    | `[^`\n]+`                                                   # code
    | \$?\{+[\w.:]*\}+ | %\([\w.]+\)[sdif] | %(?:\d+\$)?[sdif@](?!\w)  # placeholders
    | (?<!\w)[@\#]\w+                                             # handles and tags of social media
    | (?<!\w)[A-Za-z]:\\\S*\w | (?<![\w/])~?/(?:[\w.-]+/)+[\w.-]*\w  # paths
    | (?:\b[A-Z]{1,3})?[$€£¥₹₩₽]\s?\d(?:[\d.,]*\d)?(?:[kKMB]\b|bn\b)?  # money, the sign before
    | \d(?:[\d.,]*\d)?\s?[€£¥₹₩₽]                                 # money, the sign behind
    | \b(?:AUD|BRL|CAD|CHF|CNY|EUR|GBP|INR|JPY|MXN|USD)\s?\d(?:[\d.,]*\d)?  # money, the code before
    | \b\d(?:[\d.,]*\d)?\s?(?:AUD|BRL|CAD|CHF|CNY|EUR|GBP|INR|JPY|MXN|USD)\b  # money, the code behind
    | (?<![\w+])\+\d[\d ().-]{2,}\d                              # telephone numbers
    | [\U0001F000-\U0001FAFF\u2600-\u27BF\uFE0F\u200D]+           # emoji
    """,
    re.VERBOSE,
)
NUMBER = re.compile(r"\d(?:[\d.,:/]*\d)?")


class Masked(msgspec.Struct, frozen=True):
    """`text` is for the model; `pieces` are the originals of its masks, `first` is the number of the first mask.

    `glued` says of each mask whether a space was added before and behind it."""

    text: str
    first: int
    pieces: tuple[str, ...]
    glued: tuple[tuple[bool, bool], ...]


def verbatim(text: str) -> list[Span]:
    """What no translation may change: addresses, tags, placeholders, code, paths, money, emoji. In order, apart."""
    return [found.span() for found in _VERBATIM.finditer(text)]


def with_numbers(text: str, spans: Sequence[Span]) -> list[Span]:
    """`spans` and the numbers outside of them."""
    numbers = [found.span() for found in NUMBER.finditer(text)]
    free = [number for number in numbers if not any(start < number[1] and number[0] < end for start, end in spans)]
    return sorted([*spans, *free])


def outside(text: str, spans: Sequence[Span]) -> list[str]:
    """The text before, between and behind the spans: one more than there are spans."""
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


def mask(text: str, spans: Sequence[Span]) -> Masked:
    """`text` with a mask for each span. A mask is never one that the text holds itself."""
    taken = [int(found[1]) for found in _MASK.finditer(text)]
    first = max(taken, default=0) + 1
    parts: list[str] = []
    glued: list[tuple[bool, bool]] = []
    gaps = outside(text, spans)
    for number, before in enumerate(gaps[:-1]):
        behind = gaps[number + 1]
        left = before[-1:].isalnum() or (not before and number > 0)
        right = behind[:1].isalnum()
        parts += [before, " " * left, f"X{first + number}", " " * right]
        glued.append((left, right))
    text_of_model = "".join([*parts, gaps[-1]])
    return Masked(text_of_model, first, tuple(text[start:end] for start, end in spans), tuple(glued))


def restore(masked: Masked, translated: str) -> str | None:
    """`translated` with the originals back in place; None unless each mask is there exactly once."""
    last = masked.first + len(masked.pieces)
    seen = [int(found[1]) for found in _MASK.finditer(translated)]
    ours = sorted(number for number in seen if masked.first <= number < last)
    if ours != list(range(masked.first, last)):
        return None
    for number, piece in enumerate(masked.pieces):
        left, right = masked.glued[number]
        pattern = rf"{' ?' * left}X{masked.first + number}(?!\d){' ?' * right}"
        translated = re.sub(pattern, lambda _, piece=piece: piece, translated, count=1)
    return translated
