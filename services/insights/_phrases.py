"""Key phrases: the noun phrases that come up often, early and in full."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from shared.messages import KeyPhrase
from shared.text.redaction import KINDS

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token

_EMPTY = {
    "thing", "way", "lot", "time", "day", "week", "month", "year", "people", "one", "something", "anything", "bit",
    "kind", "sort", "morning", "today", "tomorrow", "moment", "part", "number", "everyone", "hello", "thank", "thanks",
}  # fmt: skip
_FIGURES = {"DATE", "TIME", "CARDINAL", "ORDINAL", "PERCENT", "MONEY", "QUANTITY"}
_LONGEST = 5
_MASKS = {*(kind.upper() for kind in KINDS), "REDACTED"}
"""What stands between brackets where a text was redacted: nobody has spoken of it."""


def key_phrases(docs: Iterable["Doc"], *, count: int) -> tuple[KeyPhrase, ...]:
    """The `count` phrases that say best what the talk was about; scores are relative to the first, which has 1."""
    seen: Counter[str] = Counter()
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    value: dict[str, float] = {}
    for place, span in enumerate(_candidates(docs)):
        key = " ".join(token.lemma_.lower() for token in span)
        seen[key] += 1
        forms[key][span.text] += 1
        if key not in value:
            early = 1 + 0.5 / (1 + place / 10)
            name = 1.3 if span.root.pos_ == "PROPN" else 1.0
            value[key] = early * name * math.sqrt(len(span))
    ranked = sorted(seen, key=lambda key: -seen[key] * value[key])
    chosen = _without_parts(ranked, seen)[:count]
    best = max((seen[key] * value[key] for key in chosen), default=1.0)
    return tuple(
        KeyPhrase(text=forms[key].most_common(1)[0][0], score=round(seen[key] * value[key] / best, 3)) for key in chosen
    )


def _candidates(docs: Iterable["Doc"]) -> Iterator["Span"]:
    """Noun phrases without articles, pronouns and figures around them."""
    for doc in docs:
        for chunk in doc.noun_chunks:
            start, end = chunk.start, chunk.end
            while start < end and not _tells(doc[start]):
                start += 1
            while start < end and not _tells(doc[end - 1]):
                end -= 1
            span = doc[start:end]
            if 0 < len(span) <= _LONGEST and span.root.pos_ in ("NOUN", "PROPN") and _worth(span):
                yield span


def _tells(token: "Token") -> bool:
    masked = token.text in _MASKS and token.i > 0 and token.nbor(-1).text == "["
    return (
        token.pos_ in ("NOUN", "PROPN", "ADJ", "VERB") and not token.is_stop and token.text[0].isalnum() and not masked
    )


def _worth(span: "Span") -> bool:
    if span.root.ent_type_ in _FIGURES or len(span.text) < 3:
        return False
    return len(span) > 1 or span.root.lemma_.lower() not in _EMPTY


def _without_parts(ranked: Iterable[str], seen: Counter[str]) -> list[str]:
    """Without 'report' where 'sales report' stands, unless it is spoken of at least twice as often."""
    chosen: list[str] = []
    for key in ranked:
        around = [f" {other} " for other in chosen if seen[other] * 2 > seen[key] or len(other) <= len(key)]
        if not any(f" {key} " in other or other in f" {key} " for other in around):
            chosen.append(key)
    return chosen
