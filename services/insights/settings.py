"""The settings of the insights service."""

from typing import Annotated

import msgspec

from shared.settings import StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the insights worker reads besides what every worker reads."""

    insights_engine: str = "embedded"
    """`embedded`: grammar and word lists, for English text; fast, and it says only what was said."""
    insights_key_phrases: Annotated[int, msgspec.Meta(ge=0)] = 10
    """At most so many key phrases are given."""
