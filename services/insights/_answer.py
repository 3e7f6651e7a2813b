"""What a language model is to answer, and what of it can be believed."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import chain, pairwise, zip_longest
from typing import Any, Literal

import msgspec

from services.insights.protocol import Findings, Passage
from shared.messages import ActionItem, Chapter, KeyPhrase, Question, Sentiment


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of what an answer holds. No field has a default: the strict schemas of OpenAI want each to be there."""


class Asked(Answered, frozen=True):
    """A question, and the segment in which it is asked."""

    text: str
    segment: int


class ToDo(Answered, frozen=True):
    """Something that somebody has to do."""

    text: str
    who: str | None
    due: str | None
    due_date: str | None
    segment: int


class Title(Answered, frozen=True):
    """A chapter, by its first segment."""

    title: str
    segment: int


class Feeling(Answered, frozen=True):
    """How it sounds on the whole."""

    label: Literal["positive", "neutral", "negative"]
    score: float


class Answer(Answered, frozen=True):
    """What the model has found in one part of a text."""

    key_phrases: list[str]
    questions: list[Asked]
    action_items: list[ToDo]
    chapters: list[Title]
    sentiment: Feeling


def format_of(kind: type[Answer]) -> dict[str, Any]:
    """`response_format` of a request: the JSON schema of `kind`, an object at its root, as OpenAI wants it."""
    _, components = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    schema = components.pop(kind.__name__) | {"$defs": components}
    return {"type": "json_schema", "json_schema": {"name": "insights", "strict": True, "schema": schema}}


def findings_of(answers: Sequence[Answer], passages: Sequence[Passage], *, most_phrases: int) -> Findings:
    """The answers about the parts of a text as findings about all of it, without what is not in it."""
    by_number = {passage.segment: passage for passage in passages}
    asked = chain.from_iterable(answer.questions for answer in answers)
    todo = chain.from_iterable(answer.action_items for answer in answers)
    scores = [max(-1.0, min(1.0, answer.sentiment.score)) for answer in answers]
    score = sum(scores) / len(scores)
    return Findings(
        key_phrases=_phrases(answers, passages, most_phrases),
        questions=tuple(Question(text=each.text, segment=each.segment) for each in asked if each.segment in by_number),
        action_items=tuple(
            ActionItem(text=each.text, who=each.who, due=each.due, due_date=_date(each.due_date), segment=each.segment)
            for each in todo
            if each.segment in by_number
        ),
        sentiment=Sentiment(label=_label(answers, score), score=round(score, 4), over_time=()),
        chapters=_chapters(chain.from_iterable(answer.chapters for answer in answers), passages),
    )


def _phrases(answers: Sequence[Answer], passages: Sequence[Passage], most: int) -> tuple[KeyPhrase, ...]:
    """The phrases that are in the text, the first of each part first; the score tells the rank."""
    text = " ".join(" ".join(passage.text for passage in passages).casefold().split())
    phrases: dict[str, str] = {}
    for phrase in chain.from_iterable(zip_longest(*(answer.key_phrases for answer in answers))):
        key = " ".join((phrase or "").casefold().split())
        if key and key in text:
            phrases.setdefault(key, phrase.strip())
    chosen = list(phrases.values())[:most]
    return tuple(KeyPhrase(text=phrase, score=round(1 - place / len(chosen), 3)) for place, phrase in enumerate(chosen))


def _date(text: str | None) -> str | None:
    try:
        return date.fromisoformat(text or "").isoformat()
    except ValueError:
        return None


def _label(answers: Sequence[Answer], score: float) -> str:
    if len(answers) == 1:
        return answers[0].sentiment.label
    return "positive" if score > 0.2 else "negative" if score < -0.2 else "neutral"


def _chapters(titles: Iterable[Title], passages: Sequence[Passage]) -> tuple[Chapter, ...]:
    """The chapters in order, each up to the next, the first from the beginning of the text."""
    places = {passage.segment: place for place, passage in enumerate(passages)}
    named: dict[int, str] = {}
    for title in titles:
        if title.segment in places and title.title.strip():
            named.setdefault(places[title.segment], title.title.strip())
    if not named:
        return ()
    starts = sorted(named)
    bounds = [0, *starts[1:], len(passages)]
    return tuple(
        Chapter(
            title=named[start],
            segment=passages[first].segment,
            start=passages[first].start,
            end=passages[last].start if last < len(passages) else max(each.end for each in passages[first:]),
        )
        for start, (first, last) in zip(starts, pairwise(bounds), strict=True)
    )
