"""Which models understand text, by the settings. Each has a module of its own beside this one; all of them import their
libraries in `load` and not before."""

from collections.abc import Callable, Mapping

from services.nlp._gliner import GlinerEntities
from services.nlp._minilm import Encoder, MiniLmSummary, MiniLmTopics
from services.nlp._nli import NliTopics
from services.nlp._parts import EntityFinder, NlpEngine, Summariser, TopicScorer
from services.nlp._seq2seq import Seq2SeqSummary
from services.nlp._spacy import SpacyEntities
from services.nlp.protocol import Engine
from services.nlp.settings import Settings
from shared.settings import choose


def make_engine(settings: Settings) -> Engine:
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
