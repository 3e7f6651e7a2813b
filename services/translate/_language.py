"""Whether a translation is in the language that was asked for, as far as its words can tell.

Models of many languages now and then copy their source, or slip into a third language. Where scripts do not tell it,
words do, of which it takes a few: a short answer is never doubted, and neither is one in a language that is so much
like the other that only a longer text could be told apart.
"""

import re
from collections.abc import Sequence

from shared.text.detection import can_tell, guess

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_AROUND = '.,;:!?…"“”«»()[]¿¡'
_FEWEST_WORDS, _FEWEST_LETTERS = 5, 25
_COPIED = 4
"""An answer is a copy when fewer than one of so many words are new."""


def strange(source: str, text: str, pair: tuple[str, str]) -> bool:
    """Whether `text`, the answer for `source`, is in another language than the second of `pair`: its source copied, or
    words that are of neither. What is no word, such as code and addresses, does not count, and neither do names that
    come back as they were, unless nothing else came."""
    language, target = pair
    if not can_tell(target):
        return False
    own = {word.lower() for word in _WORD.findall(source)}
    words = list(_words(text))
    new = [word for word in words if word.lower() not in own]
    if len(new) * _COPIED >= len(words):
        return _told(new, target) not in (None, target, language)
    small = [word for word in words if word[0].islower()]
    return len(small) >= _FEWEST_WORDS and _told(words, target) not in (None, target)


def _words(text: str) -> Sequence[str]:
    stripped = (token.strip(_AROUND) for token in text.split())
    return [token for token in stripped if _WORD.fullmatch(token)]


def _told(words: Sequence[str], target: str) -> str | None:
    """The language of the words; None where they are too few to tell."""
    if len(words) < _FEWEST_WORDS or sum(map(len, words)) < _FEWEST_LETTERS:
        return None
    found = guess(" ".join(words), likely=target)
    return found.language if found else None
