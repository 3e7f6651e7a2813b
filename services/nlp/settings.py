"""The settings of the nlp service."""

from shared.settings import StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each of the three parts has its own engine, because a good model for one is seldom good for another."""

    nlp_entities_engine: str = "embedded"
    """Who finds named entities: `embedded` is spaCy's small English model."""
    nlp_topics_engine: str = "embedded"
    """Who classifies: `embedded` compares MiniLM sentence embeddings with each label."""
    nlp_summary_engine: str = "embedded"
    """Who summarises: `embedded` quotes the sentences that stand for the rest, by MiniLM."""
    nlp_entity_labels: str = "person, organization, location, date, time, money, product, event"
    """The entities to look for when the client names none, with commas between."""
    nlp_topics: str = (
        "business, finance, technology, science, politics, law, health, education, sports, entertainment, "
        "travel, food, environment, family and relationships, religion, history, crime"
    )
    """The topics to choose from when the client names none, with commas between. Plain English words do best."""
