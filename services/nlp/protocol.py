"""What the stage wants of its engine, and what passes between the two."""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

import shared.stage
from shared.messages import Topic


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One entity in one text: `text[start:end]` names it, `label` is as the caller wrote it, `score` is 0 to 1."""

    start: int
    end: int
    label: str
    score: float


class Wanted(msgspec.Struct, frozen=True):
    """What one task wants to know of some texts."""

    texts: Sequence[str]
    labels: Sequence[str]


class Engine(shared.stage.Engine, Protocol):
    """Finds entities, classifies and summarises. Languages are ISO 639 codes; an empty list stands for all."""

    @property
    def default_entity_labels(self) -> Sequence[str]: ...

    @property
    def default_topics(self) -> Sequence[str]: ...

    @property
    def entity_labels(self) -> Sequence[str]:
        """The labels that entities can have; empty when any word will do."""
        ...

    @property
    def entity_languages(self) -> Collection[str]: ...

    @property
    def topic_languages(self) -> Collection[str]: ...

    @property
    def summary_languages(self) -> Collection[str]: ...

    def finds(self, label: str) -> bool:
        """Whether entities of this kind can be found. Case does not matter."""
        ...

    def entities(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Sequence[Found]]]:
        """For each task the entities of each text, in order, none overlapping another. Its labels are distinct and can
        be found."""
        ...

    def topics(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Topic]]:
        """For each task every label with how well it fits the texts taken together, the best first."""
        ...

    def summaries(self, talks: Sequence[Sequence[str]]) -> Sequence[str | None]:
        """For each task what its texts, read one after the other, say; never longer than they are. None when they hold
        no word."""
        ...
