"""From a recogniser's pieces of text to words. Pure."""

from collections.abc import Sequence
from typing import Any

from shared.messages import Word

_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the following or the preceding word."""
WITHOUT_SPACES = ("zh", "ja", "th", "lo", "my", "yue")
"""Languages that put no space between words."""


def glued(pieces: Sequence[Any], *, spaced: bool) -> list[Word]:
    """Words from the aligner's pieces: what has no space before it belongs to the word before, and punctuation to the
    word that it stands at in scripts without spaces."""
    words: list[Word] = []
    for piece in pieces:
        text = piece["word"]
        if not text:
            continue
        word = Word(text=text, start=float(piece["start"]), end=float(piece["end"]), score=float(piece["probability"]))
        if words and (not text.startswith(" ") if spaced else _belongs(words[-1].text, text)):
            word = _joined(words.pop(), word)
        words.append(word)
    return [word for word in words if word.text.strip()]


def _belongs(before: str, text: str) -> bool:
    return before.strip() in _PREPENDED or text.strip() in _APPENDED


def _joined(word: Word, more: Word) -> Word:
    """One word of two pieces. Punctuation makes it no less certain."""
    scores = [part.score for part in (word, more) if part.score is not None and any(map(str.isalnum, part.text))]
    return Word(
        text=word.text + more.text, start=word.start, end=max(word.end, more.end), score=min(scores, default=None)
    )
