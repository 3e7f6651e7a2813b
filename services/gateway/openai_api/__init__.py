"""The speech part of OpenAI's HTTP API, so that its clients work with a mesh as they are.

What comes in here becomes an ordinary task: it shows in `/audio/tasks`, outlives its client, can be watched and
cancelled. Only the form, the answers and the shape of errors are OpenAI's.
"""

from services.gateway.openai_api.errors import answer
from services.gateway.openai_api.models import list_models, one_model
from services.gateway.openai_api.schema import describe
from services.gateway.openai_api.speech import transcriptions, translations

__all__ = ["HANDLERS", "PREFIX", "answer", "describe"]

PREFIX = "/v1/"
"""What all paths of this API begin with."""

HANDLERS = (transcriptions, translations, list_models, one_model)
