"""An nlp engine that knows two names."""

from collections.abc import Sequence
from typing import Any

from services.nlp.protocol import Found, Wanted
from shared.messages import Topic

NAMES = {"Anna": "person", "Lisbon": "location"}


def names(text: str, labels: Sequence[str]) -> list[Found]:
    """The two that may be in it, if they are asked for."""
    forms = {label.casefold(): label for label in labels}
    return [
        Found(start=text.index(name), end=text.index(name) + len(name), label=forms[label], score=0.5)
        for name, label in NAMES.items()
        if name in text and label in forms
    ]


class NamesEngine:
    """Finds two names in English text, fits every topic less than the one before, and quotes the first text."""

    default_entity_labels = ("person", "location")
    default_topics = ("business", "travel")
    entity_labels = ("person", "location")
    entity_languages = ("en",)
    topic_languages = ("en",)
    summary_languages = ("en",)

    def __init__(self) -> None:
        self.read: list[Sequence[str]] = []
        self.sought: Sequence[str] = ()
        self.shared: list[int] = []

    def load(self) -> None:
        """There is nothing to load."""

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def describe(self) -> dict[str, Any]:
        return {}

    def finds(self, label: str) -> bool:
        return label.casefold() in self.entity_labels

    def entities(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Sequence[Found]]]:
        self.shared.append(len(wanted))
        self.read += [each.texts for each in wanted]
        self.sought = wanted[-1].labels
        return [[names(text, each.labels) for text in each.texts] for each in wanted]

    def topics(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Topic]]:
        self.shared.append(len(wanted))
        self.read += [each.texts for each in wanted]
        return [
            [Topic(label=label, score=1 / (2 + place)) for place, label in enumerate(each.labels)] for each in wanted
        ]

    def summaries(self, talks: Sequence[Sequence[str]]) -> Sequence[str | None]:
        self.shared.append(len(talks))
        self.read += talks
        return [texts[0] for texts in talks]


class NamesParts:
    """The same engine as the three parts of one."""

    labels = ("person", "location")
    languages = ("en",)

    def __init__(self) -> None:
        self.read: list[Sequence[str]] = []

    def load(self) -> None:
        """There is nothing to load."""

    def describe(self) -> dict[str, Any]:
        return {}

    def finds(self, label: str) -> bool:
        return label in self.labels

    def find(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[Found]]:
        self.read.append(texts)
        return [names(text, labels) for text in texts]

    def score(self, wanted: Sequence[Wanted]) -> list[list[Topic]]:
        return [[] for _ in wanted]

    def summarise(self, talks: Sequence[Sequence[str]]) -> list[str | None]:
        return [None for _ in talks]
