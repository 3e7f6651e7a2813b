"""Which model does which part, by the settings. Each model has a module of its own beside this one, because three parts
with two kinds of model each do not fit on a page; all of them import their libraries in `load` and not before."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from services.nlp import stage
from services.nlp._gliner import GlinerEntities
from services.nlp._minilm import Encoder, MiniLmSummary, MiniLmTopics
from services.nlp._nli import NliTopics
from services.nlp._seq2seq import Seq2SeqSummary
from services.nlp._spacy import SpacyEntities
from services.nlp.settings import Settings
from services.nlp.stage import Found, Wanted, together
from shared.errors import SettingsError
from shared.messages import Topic
from shared.settings import choose


def make_engine(settings: Settings) -> stage.Engine:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` naming the variable."""
    encoder = Encoder(settings)
    entities: Mapping[str, Callable[[], EntityFinder]] = {
        "embedded": lambda: SpacyEntities(settings),
        "gliner": lambda: GlinerEntities(settings),
    }
    topics: Mapping[str, Callable[[], TopicScorer]] = {
        "embedded": lambda: MiniLmTopics(encoder),
        "nli": lambda: NliTopics(settings),
    }
    summary: Mapping[str, Callable[[], Summariser]] = {
        "embedded": lambda: MiniLmSummary(encoder),
        "seq2seq": lambda: Seq2SeqSummary(settings),
    }
    return NlpEngine(
        settings,
        entities=choose("NLP_ENTITIES_ENGINE", settings.nlp_entities_engine, entities)(),
        topics=choose("NLP_TOPICS_ENGINE", settings.nlp_topics_engine, topics)(),
        summary=choose("NLP_SUMMARY_ENGINE", settings.nlp_summary_engine, summary)(),
    )


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
    """Three models behind the one engine of the stage; `stage.Engine` says what its methods promise."""

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
        self.entities([text], self.default_entity_labels)
        self.topics([text], self.default_topics)
        self.summary([text])

    def describe(self) -> dict[str, Any]:
        return {
            "entities": self._entities.describe() | {"default_labels": list(self.default_entity_labels)},
            "topics": self._topics.describe() | {"default_labels": list(self.default_topics)},
            "summary": self._summary.describe(),
        }

    def finds(self, label: str) -> bool:
        return self._entities.finds(label)

    def entities(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[Found]]:
        return self._entities.find(texts, labels)

    def entities_of(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Sequence[Found]]]:
        return together(self.entities, wanted)

    def topics(self, texts: Sequence[str], labels: Sequence[str]) -> list[Topic]:
        return self.topics_of([Wanted(texts, labels)])[0]

    def topics_of(self, wanted: Sequence[Wanted]) -> Sequence[list[Topic]]:
        return self._topics.score(wanted)

    def summary(self, texts: Sequence[str]) -> str | None:
        return self.summaries_of([texts])[0]

    def summaries_of(self, talks: Sequence[Sequence[str]]) -> Sequence[str | None]:
        return self._summary.summarise(talks)


def _listed(variable: str, labels: str) -> Sequence[str]:
    listed = [label.strip() for label in labels.split(",") if label.strip()]
    if not listed:
        raise SettingsError(f"{variable}: it must name something, with commas between")
    return listed
