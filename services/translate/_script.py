"""Whether a translation is in the language that was asked for, as far as its letters can tell.

Models of many languages now and then copy their source, or slip into another language. Where source and target are
written in different scripts, that shows.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

import langcodes

_WORD = re.compile(r"[^\W\d_]+")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "Arab": ("ARABIC",), "Armn": ("ARMENIAN",), "Beng": ("BENGALI",), "Cyrl": ("CYRILLIC",), "Deva": ("DEVANAGARI",),
    "Ethi": ("ETHIOPIC",), "Geor": ("GEORGIAN",), "Grek": ("GREEK",), "Gujr": ("GUJARATI",), "Guru": ("GURMUKHI",),
    "Hans": ("CJK", "BOPOMOFO"), "Hant": ("CJK", "BOPOMOFO"), "Hebr": ("HEBREW",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), "Khmr": ("KHMER",), "Knda": ("KANNADA",),
    "Kore": ("HANGUL", "CJK"), "Laoo": ("LAO",), "Latn": ("LATIN", "FULLWIDTH"), "Mlym": ("MALAYALAM",),
    "Mymr": ("MYANMAR",), "Orya": ("ORIYA",), "Sinh": ("SINHALA",), "Taml": ("TAMIL",), "Telu": ("TELUGU",),
    "Thai": ("THAI",), "Tibt": ("TIBETAN",),
}  # fmt: skip
"""How Unicode's names of letters begin in each script."""
_FEWEST_LETTERS = 4
"""Too few letters tell nothing: `OK` is right in any language."""


def astray(source: str, text: str, target: str) -> bool:
    """Whether most of `text` is not in the script of the language `target`. Words of `source` that come back as they
    were, as names do, count only when nothing else came back."""
    names = _NAMES.get(script_of(target))
    if names is None:
        return False
    own = set(_WORD.findall(source))
    words = _WORD.findall(text)
    new = "".join(word for word in words if word not in own)
    if len(new) >= _FEWEST_LETTERS:
        return _share(new, names) < 0.5
    return _copied(words) and _share("".join(words), names) < 0.5


def script_of(language: str) -> str:
    """The ISO 15924 code of the script that `language` is mostly written in; empty where that is not known."""
    return langcodes.Language.get(language).maximize().script or ""


def _copied(words: list[str]) -> bool:
    """Whether words that came back unchanged are a sentence and no names: some of them begin small."""
    return sum(word[:1].islower() for word in words) >= 2


def _share(letters: Iterable[str], names: tuple[str, ...]) -> float:
    """How much of `letters` is in the script whose letters have these names."""
    found = [unicodedata.name(letter, "").startswith(names) for letter in letters]
    return sum(found) / len(found)
