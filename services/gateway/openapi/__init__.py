"""The OpenAPI document at `/schema`, and what endpoints say in it beyond their signatures."""

from services.gateway.openapi.examples import example_result
from services.gateway.openapi.operations import (
    BOOLEAN,
    RESULT_TYPES,
    FormOperation,
    ResultOperation,
    TextFormOperation,
    event_stream,
    refusals,
    schema_config,
)

__all__ = [
    "BOOLEAN",
    "RESULT_TYPES",
    "FormOperation",
    "ResultOperation",
    "TextFormOperation",
    "event_stream",
    "example_result",
    "refusals",
    "schema_config",
]
