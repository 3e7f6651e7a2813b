"""Chapters: where the talk turns to something else, by the words that come and go."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from services.insights.protocol import Passage
from shared.messages import Chapter

if TYPE_CHECKING:
    from spacy.tokens import Doc

_BESIDE = 6
"""Passages on each side of a place that are compared."""
_SECONDS, _PASSAGES = 60.0, 8
"""A chapter lasts at least so long, and has at least so many passages."""
_TITLE_WORDS = 8

Titles = Callable[[Sequence["Doc"]], Sequence[str]]


def chapters(passages: Sequence[Passage], docs: Sequence["Doc"], *, titles: Titles) -> tuple[Chapter, ...]:
    """The chapters, without gaps from the first passage to the last; only one when the talk is short or keeps to its
    subject.

    `titles` gives the phrases that stand for some passages, the best first.
    """
    if not passages:
        return ()
    words = [_content(doc) for doc in docs]
    bounds = [0, *_turns(passages, words), len(passages)]
    found: list[Chapter] = []
    for first, last in pairwise(bounds):
        taken = {chapter.title.casefold() for chapter in found}
        offered = (title for title in titles(docs[first:last]) if title.casefold() not in taken)
        title = next(offered, None) or _opening(passages[first].text)
        end = passages[last].start if last < len(passages) else max(each.end for each in passages[first:])
        begins = passages[first]
        found.append(Chapter(title=title[:1].upper() + title[1:], segment=begins.segment, start=begins.start, end=end))
    return tuple(found)


def _content(doc: "Doc") -> Counter[str]:
    return Counter(
        token.lemma_.lower()
        for token in doc
        if token.pos_ in ("NOUN", "PROPN", "VERB", "ADJ") and token.is_alpha and not token.is_stop
    )


def _turns(passages: Sequence[Passage], words: Sequence[Counter[str]]) -> list[int]:
    """The places, rising, at which most of the words change: clear valleys of likeness, the deepest first, each at its
    distance from the others and from both ends."""
    depths = list(_depths(words))
    if not depths:
        return []
    mean = sum(depths) / len(depths)
    clear = mean + math.sqrt(sum((depth - mean) ** 2 for depth in depths) / len(depths))
    bounds = [0, len(passages)]
    for place in sorted(range(1, len(passages)), key=lambda place: (-depths[place - 1], place)):
        if depths[place - 1] < max(clear, 0.1):
            break
        if all(_far(passages, *sorted((place, bound))) for bound in bounds):
            bounds.append(place)
    return sorted(bounds)[1:-1]


def _far(passages: Sequence[Passage], first: int, last: int) -> bool:
    """Whether there is a chapter's worth of talk between two places. Text without times counts by passages."""
    end = passages[last].start if last < len(passages) else passages[-1].end
    seconds = end - passages[first].start
    return last - first >= _PASSAGES and (seconds >= _SECONDS or not passages[-1].end)


def _depths(words: Sequence[Counter[str]]) -> Iterator[float]:
    """For each place between two passages: how far the likeness of its two sides lies below the peaks around it."""
    likeness = [_likeness(words[max(0, place - _BESIDE) : place], words[place : place + _BESIDE])
                for place in range(1, len(words))]  # fmt: skip
    for place, here in enumerate(likeness):
        before = max(likeness[max(0, place - _BESIDE) : place + 1])
        behind = max(likeness[place : place + _BESIDE + 1])
        yield before + behind - 2 * here


def _likeness(left: Sequence[Counter[str]], right: Sequence[Counter[str]]) -> float:
    one, other = sum(left, Counter[str]()), sum(right, Counter[str]())
    norm = math.sqrt(sum(count**2 for count in one.values()) * sum(count**2 for count in other.values()))
    return sum(count * other[word] for word, count in one.items()) / norm if norm else 0.0


def _opening(text: str) -> str:
    words = text.split()
    return " ".join(words[:_TITLE_WORDS]) + ("…" if len(words) > _TITLE_WORDS else "")
