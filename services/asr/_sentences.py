"""From timed words to segments of about one sentence. Pure."""

import re
from collections.abc import Sequence
from itertools import pairwise

from shared.messages import Word

LONGEST_SECONDS = 15.0
"""A longer sentence is cut at a comma or at its longest pause: subtitles and translators want pieces of this size."""
PAUSE_SECONDS = 2.0
"""Who is silent for this long has finished, whatever the punctuation says."""

_END = re.compile(r"[.?!…。！？｡؟।]['\"”’»)\]]*$")
_COMMA = re.compile(r"[,;:、，；–—]['\"”’»)\]]*$")
_ABBREVIATION = re.compile(
    r"^\W*(?:mr|mrs|ms|dr|prof|st|sr|jr|sra|dra|vs|etc|e\.g|i\.e|no|gen|col|capt|sgt|rev|hon|[^\W\d])\.$", re.IGNORECASE
)


def sentences(words: Sequence[Word]) -> list[list[Word]]:
    """`words` in groups, all of them and in order. Word texts carry the space that goes before them."""
    if not words:
        return []
    groups = [[words[0]]]
    for word, following in pairwise(words):
        if _ends(word, following):
            groups.append([])
        groups[-1].append(following)
    return [part for group in groups for part in _short(group)]


def _ends(word: Word, following: Word) -> bool:
    """Whether a sentence ends between the two."""
    if following.start - word.end >= PAUSE_SECONDS:
        return True
    text = word.text.strip()
    if not _END.search(text) or _ABBREVIATION.match(text):
        return False
    return not following.text.strip()[:1].islower()


def _short(group: list[Word]) -> list[list[Word]]:
    """`group` in parts of at most the longest length, or of one word."""
    if len(group) == 1 or group[-1].end - group[0].start <= LONGEST_SECONDS:
        return [group]
    at = max(range(1, len(group)), key=lambda i: _fitness(group, i))
    return [*_short(group[:at]), *_short(group[at:])]


def _fitness(group: list[Word], at: int) -> tuple[bool, float]:
    """How well a cut before word `at` suits: the first part not too long; a pause, a comma, the middle."""
    before, behind = group[at - 1], group[at]
    whole = group[-1].end - group[0].start
    share = (before.end - group[0].start) / whole
    comma = 0.5 if _COMMA.search(before.text) else 0.0
    return 0.2 <= share <= 0.8, behind.start - before.end + comma - abs(share - 0.5)
