"""The settings of the insights service."""

from typing import Annotated

import msgspec

from shared.settings import Count, Seconds, Secret, StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the insights worker reads besides what every worker reads."""

    insights_engine: str = "embedded"
    """`embedded`: grammar and word lists, for English text; fast, and it says only what was said. `llm`: besides,
    a language model behind any endpoint that speaks OpenAI's chat completions reads the text."""
    insights_key_phrases: Annotated[int, msgspec.Meta(ge=0)] = 10
    """At most so many key phrases are given."""
    llm_base_url: str = ""
    """Where the endpoint is, up to and with `/v1`. What is said in the recordings goes there."""
    llm_model: str = ""
    """Its name for the model."""
    llm_api_key: Secret = ""
    """Sent as a bearer token, where there is one."""
    llm_context_tokens: Annotated[int, msgspec.Meta(ge=1_000)] = 8_000
    """What the model reads and writes at once. A longer text is read in parts, and their answers are put together."""
    llm_answer_tokens: Annotated[int, msgspec.Meta(ge=100)] = 2_000
    """What of it is kept for the answer."""
    llm_token_budget: Count = 100_000
    """What one task may use, repeated requests included: about ten hours of speech. Counted as the endpoint counts, and
    where it does not, by length. A text that needs more is not sent at all."""
    llm_attempts: Count = 3
    """How often a part is tried when the endpoint is busy, breaks off, or answers what cannot be used."""
    llm_timeout_seconds: Seconds = 60.0
    """How long one answer may take …"""
    llm_deadline_seconds: Seconds = 300.0
    """… and all of them. After that the insights are made without the model."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.llm_answer_tokens * 2 > self.llm_context_tokens:
            raise ValueError("LLM_ANSWER_TOKENS: must be at most half of LLM_CONTEXT_TOKENS")
