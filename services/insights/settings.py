"""What an insights worker reads from the environment."""

from shared.settings import StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the insights service reads besides what every worker reads."""

    insights_engine: str = "embedded"
    """`embedded`: grammar and word lists, for English text; fast, and it says only what was said."""
    insights_key_phrases: int = 10
    """At most so many key phrases are given."""
