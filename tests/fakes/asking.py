"""What one task alone asks of an nlp engine."""

from collections.abc import Sequence

from services.nlp.protocol import Engine, Found, Wanted
from shared.messages import Topic


def entities(engine: Engine, texts: Sequence[str], labels: Sequence[str]) -> Sequence[Sequence[Found]]:
    """The entities of each text."""
    return engine.entities([Wanted(texts, labels)])[0]


def topics(engine: Engine, texts: Sequence[str], labels: Sequence[str]) -> Sequence[Topic]:
    """How well each label fits the texts, the best first."""
    return engine.topics([Wanted(texts, labels)])[0]


def summary(engine: Engine, texts: Sequence[str]) -> str | None:
    """What the texts say."""
    return engine.summaries([texts])[0]
