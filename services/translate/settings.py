"""The settings of the translate service."""

from shared.settings import StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the translator reads besides what every worker reads."""

    translate_engine: str = "embedded"
    """`embedded`: the Firefox translation models for English and Portuguese, which come with an installed package."""
