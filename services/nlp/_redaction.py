"""Redaction of a whole recording. Nothing of it leaves the stage before all of it is masked: a name that is found in
the last sentence is masked in the first."""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Protocol

from services.nlp._borders import across
from services.nlp._masking import (
    WITHHELD,
    Names,
    Span,
    covered,
    masked,
    merged,
    patterned,
    with_masks,
    withheld,
)
from shared.errors import Permanent
from shared.messages import Notice, Segment, StageName
from shared.text.redaction import PATTERNS


class Finder(Protocol):
    """Whether entities of a kind can be found."""

    def finds(self, label: str) -> bool: ...


def kinds_to_find(kinds: Sequence[str], finder: Finder) -> list[str]:
    """Those of `kinds` that the engine has to find. Raises `Permanent` when it cannot: what was to be hidden must not
    be shown only because this worker cannot see it."""
    entities = [kind for kind in kinds if kind not in PATTERNS]
    if unknown := [kind for kind in entities if not finder.finds(kind)]:
        raise Permanent("redaction_unavailable", f"Nobody here can find, and so mask: {', '.join(unknown)}.")
    return entities


def redacted(
    segments: Sequence[Segment],
    kinds: Collection[str],
    *,
    found: Sequence[Sequence[Span] | None],
    translated: Sequence[Sequence[Span]],
) -> list[Segment]:
    """The segments, masked. `found` are the entities of these kinds in each text, None for one that the engine does not
    read; `translated` those that it sees in each translation."""
    names = Names(
        chain.from_iterable(
            ((segment.text[span.start : span.end], span.kind) for span in spans or ())
            for segment, spans in zip(segments, found, strict=True)
        )
    )
    over, over_translated = (
        _across(segments, texts, kinds)
        for texts in ([segment.text for segment in segments], [segment.translation or "" for segment in segments])
    )
    return [
        withheld(segment) if spans is None else _masked(segment, kinds, names, [*spans, *begun], [*more, *begun_there])
        for segment, spans, more, begun, begun_there in zip(
            segments, found, translated, over, over_translated, strict=True
        )
    ]


def withheld_notices(segments: Sequence[Segment]) -> tuple[Notice, ...]:
    """A warning when sentences or their translations had to be withheld as a whole."""
    texts = sum(segment.text == WITHHELD for segment in segments)
    translations = sum(segment.translation == WITHHELD for segment in segments)
    if not texts and not translations:
        return ()
    message = (
        f"{texts} sentences and {translations} translations are withheld, because what is to be masked in them "
        "could not be found for certain."
    )
    return (Notice(code="redaction_withheld", message=message, stage=StageName.NLP),)


def _across(segments: Sequence[Segment], texts: Sequence[str], kinds: Collection[str]) -> list[list[Span]]:
    """In each text, the parts of what runs over into others: in those that follow it, or, where several people speak,
    in what the same one goes on to say."""
    everybody = range(len(segments))
    voices: dict[tuple[str | None, int | None], list[int]] = {}
    for number, segment in enumerate(segments):
        voices.setdefault((segment.speaker, segment.channel), []).append(number)
    parts: list[list[Span]] = [[] for _ in segments]
    for voice in (everybody, *voices.values()) if len(voices) > 1 else (everybody,):
        for number, spans in zip(voice, across([texts[number] for number in voice], kinds), strict=True):
            parts[number] += spans
    return parts


def _masked(
    segment: Segment, kinds: Collection[str], names: Names, found: Sequence[Span], translated: Sequence[Span]
) -> Segment:
    spans = merged([*found, *patterned(segment.text, kinds), *names.spans(segment.text)])
    translation = segment.translation
    if translation:
        there = merged([*translated, *patterned(translation, kinds), *names.spans(translation)])
        translation = masked(translation, there) if covered(spans, there) else WITHHELD
    return with_masks(segment, spans, translation)
