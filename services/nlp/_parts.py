"""Entities, topics and summary: a model for each, because a good one for one is seldom good for another. Here they
become one engine."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from services.nlp.protocol import Found, Wanted
from services.nlp.settings import Settings
from shared.errors import SettingsError
from shared.messages import Topic


class Part(Protocol):
    """What entities, topics and summary have in common."""

    @property
    def languages(self) -> Collection[str]:
        """ISO 639 codes; empty for all."""
        ...

    def load(self) -> None: ...

    def describe(self) -> dict[str, Any]: ...


class EntityFinder(Part, Protocol):
    @property
    def labels(self) -> Sequence[str]:
        """Empty when any word will do."""
        ...

    def finds(self, label: str) -> bool: ...

    def find(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[Found]]: ...


class TopicScorer(Part, Protocol):
    def score(self, wanted: Sequence[Wanted]) -> list[list[Topic]]: ...


class Summariser(Part, Protocol):
    def summarise(self, talks: Sequence[Sequence[str]]) -> list[str | None]: ...


class NlpEngine:
    """Three models behind the one engine of the stage; `protocol.Engine` says what its methods promise."""

    def __init__(self, settings: Settings, *, entities: EntityFinder, topics: TopicScorer, summary: Summariser) -> None:
        self._entities = entities
        self._topics = topics
        self._summary = summary
        self.default_entity_labels: Sequence[str] = _listed("NLP_ENTITY_LABELS", settings.nlp_entity_labels)
        self.default_topics: Sequence[str] = _listed("NLP_TOPICS", settings.nlp_topics)
        self.entity_labels = entities.labels
        self.entity_languages = entities.languages
        self.topic_languages = topics.languages
        self.summary_languages = summary.languages

    def load(self) -> None:
        for part in (self._entities, self._topics, self._summary):
            part.load()

    def warm_up(self) -> None:
        text = "Ada Lovelace met Charles Babbage in London on 5 June 1833. " * 8
        self.entities([Wanted([text], self.default_entity_labels)])
        self.topics([Wanted([text], self.default_topics)])
        self.summaries([[text]])

    def describe(self) -> dict[str, Any]:
        return {
            "entities": self._entities.describe() | {"default_labels": list(self.default_entity_labels)},
            "topics": self._topics.describe() | {"default_labels": list(self.default_topics)},
            "summary": self._summary.describe(),
        }

    def finds(self, label: str) -> bool:
        return self._entities.finds(label)

    def entities(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Sequence[Found]]]:
        """Those that have the same labels are asked for in one call."""
        found: list[Sequence[Sequence[Found]]] = [()] * len(wanted)
        alike: dict[tuple[str, ...], list[int]] = {}
        for number, each in enumerate(wanted):
            alike.setdefault(tuple(each.labels), []).append(number)
        for labels, numbers in alike.items():
            texts = [text for number in numbers for text in wanted[number].texts]
            answers = iter(self._entities.find(texts, list(labels)))
            for number in numbers:
                found[number] = [next(answers) for _ in wanted[number].texts]
        return found

    def topics(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Topic]]:
        return self._topics.score(wanted)

    def summaries(self, talks: Sequence[Sequence[str]]) -> Sequence[str | None]:
        return self._summary.summarise(talks)


def _listed(variable: str, labels: str) -> Sequence[str]:
    listed = [label.strip() for label in labels.split(",") if label.strip()]
    if not listed:
        raise SettingsError(f"{variable}: it must name something, with commas between")
    return listed
