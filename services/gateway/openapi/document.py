"""The OpenAPI document that `/schema` serves: Litestar's, which knows paths and parameters, made whole with what it
cannot know: the messages as they go over the wire, the events of a stream, the codes of refusals, headers, examples.

What is derived here is derived from the types and tables that the answers are made from, so that it cannot differ.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin

import msgspec
from litestar import Litestar, Request, Response
from litestar.openapi.plugins import JsonRenderPlugin

from services.gateway.codes import CODES
from services.gateway.openapi.examples import ANSWERS, PARAMETERS, problem
from services.gateway.openapi.security import secure, tell_limits
from services.gateway.problems import ProblemBody
from shared import messages as wire
from shared.messages import Step

Json = dict[str, Any]
Describe = Callable[[str, Json, dict[str, Json]], None]
"""Completes an operation, which is given with its name, and the schemas that it refers to."""

PARTIALS: dict[Step, type[wire.Partial] | type[wire.Result]] = {
    Step.TRANSCRIPTION: wire.TranscriptPart,
    Step.TRANSCRIPTION_COMPLETE: wire.Transcript,
    Step.TRANSLATION: wire.TranslationPart,
    Step.TRANSLATION_COMPLETE: wire.Translation,
    Step.NER_COMPLETE: wire.Entities,
    Step.CLASSIFICATION_COMPLETE: wire.Topics,
    Step.SUMMARIZATION_COMPLETE: wire.Summary,
    Step.INSIGHTS_COMPLETE: wire.InsightsFound,
    Step.COMPLETED: wire.Result,
}
"""What the `partial_result` of a step is; the other steps have none."""

_SCHEMAS = "#/components/schemas/"
_STREAM = "text/event-stream"
_TEXT: Json = {"type": "string"}
_SECONDS: Json = {"type": "integer", "minimum": 1}
_HEADERS: dict[int, dict[str, tuple[str, Json]]] = {
    401: {"WWW-Authenticate": ("How to come in.", _TEXT)},
    409: {"Retry-After": ("Seconds after which the task may have a result; only while it has not ended.", _SECONDS)},
    429: {"Retry-After": ("Seconds after which to come back.", _SECONDS)},
    503: {"Retry-After": ("Seconds after which to come back.", _SECONDS)},
}
_REPLAYED = {"Idempotent-Replayed": ("`true` when an earlier request with the same key made the task.", _TEXT)}
_STREAM_HEADERS = {
    "X-Task-Id": ("The task that is watched; absent where several are.", _TEXT),
    "Link": ("The task itself, and this stream again.", _TEXT),
}
_SERVER_SENT: Json = {
    "type": "object",
    "description": "Each event of the stream; comments (`: ping`) come between.",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "Its place in the log, for `Last-Event-ID`."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": _SCHEMAS + "Event"},
        },
    },
}
"""Before OpenAPI 3.2, the schema of an event stream is that of an event."""
_RESULT_HEADERS = {
    "ETag": ("For `If-None-Match`.", _TEXT),
    "Content-Disposition": ("A name for the file, after that of the recording.", _TEXT),
}


class Document(JsonRenderPlugin):
    """OpenAPI as JSON, made at the first request. `keys` says whether a key is asked for, `foreign` who describes the
    operations of another API, by what its paths begin with."""

    def __init__(self, *, keys: bool, foreign: Mapping[str, Describe]) -> None:
        super().__init__(path=("/", "/openapi.json"))
        self._keys = keys
        self._foreign = foreign
        self._made: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        """The document."""
        if self._made is None:
            if self._keys:
                secure(openapi_schema, request.app)
            _complete(openapi_schema, request.app, self._foreign)
            if self._keys:
                tell_limits(openapi_schema, request.app)
            self._made = msgspec.json.encode(openapi_schema)
        return self._made


def _complete(document: Json, app: Litestar, foreign: Mapping[str, Describe]) -> None:
    document["components"]["schemas"] |= _components(app)
    for path, operations in document["paths"].items():
        describe = next((found for prefix, found in foreign.items() if path.startswith(prefix)), None)
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                _complete_parameter(parameter)
            if describe:
                describe(f"{method.upper()} {path}", operation, document["components"]["schemas"])
            else:
                _complete_answers(operation, f"{method.upper()} {path}", path)


def _components(app: Litestar) -> dict[str, Json]:
    """The schemas of all that is answered, by msgspec, which also writes the answers."""
    answered = {kind for route in app.routes for kind in _answered(route)}
    fields = [
        (field.name, field.type, field.default) if field.default is not msgspec.NODEFAULT else (field.name, field.type)
        for field in msgspec.structs.fields(wire.Event)
        if field.name != "partial_result"
    ]
    event = msgspec.defstruct("Event", fields)
    kinds = [*answered, *PARTIALS.values(), ProblemBody, event]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    for name, text in (("TranscriptPart", "transcript"), ("TranslationPart", "translation")):
        schemas[name]["properties"][text] = _TEXT  # None stands in the log only
    schemas["Event"] |= _by_step()
    return schemas


def _answered(route: Any) -> Iterator[Any]:
    """The message types that the handlers of a route return."""
    for handler in getattr(route, "route_handlers", ()):
        kind = handler.parsed_fn_signature.return_type.annotation
        if get_origin(kind) is Response:
            (kind,) = get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield kind


def _by_step() -> Json:
    """How the events of each step differ."""
    without = [step.value for step in Step if step not in PARTIALS]
    return {
        "description": "One event of a task: the JSON on a `data:` line.",
        "oneOf": [
            {"title": "Without a partial result", "properties": {"step": {"enum": without}, "partial_result": False}},
            *(
                {
                    "title": step.value,
                    "properties": {"step": {"const": step.value}, "partial_result": {"$ref": _SCHEMAS + kind.__name__}},
                }
                for step, kind in PARTIALS.items()
            ),
        ],
    }


def _complete_parameter(parameter: Json) -> None:
    """A header or query parameter is there or not, but never null."""
    schema: Json = parameter["schema"]
    for choice in schema.pop("oneOf", ()):
        if choice != {"type": "null"}:
            schema |= choice | schema
    if parameter["name"] in PARAMETERS:
        extra = PARAMETERS[parameter["name"]]
        parameter["example"] = [extra.example] if schema.get("type") == "array" else extra.example
        schema |= extra.schema
        if extra.required:
            parameter["required"] = True
            schema.pop("default", None)


def _complete_answers(operation: Json, name: str, path: str) -> None:
    answers: dict[str, Json] = operation["responses"]
    for status in [status for status in answers if int(status) >= 400]:
        answers[status] |= _refusal(int(status), path)
    for status, answer in answers.items():
        for kind, content in answer.get("content", {}).items():
            if int(status) < 300:
                _complete_success(answer, content, kind, name)
    if _STREAM in answers.get("200", {}).get("content", {}) and name.startswith("GET"):
        answers["204"] = {"description": "The client has had all of it: an `EventSource` stops upon this."}
    if path.endswith("/result"):
        answers["304"] = {"description": "The client has it already.", "headers": _headers(_RESULT_HEADERS)}


def _complete_success(answer: Json, content: Json, kind: str, name: str) -> None:
    example = ANSWERS.get((name, kind)) or ANSWERS.get(("", kind))
    if example is not None:
        content["example"] = example
    if kind == _STREAM:
        answer["headers"] = _headers(_STREAM_HEADERS)
        content["schema"] = _SERVER_SENT
    if name.endswith("/result"):
        answer["headers"] = _headers(_RESULT_HEADERS)
        if kind == "application/json":
            content["schema"] = {"$ref": _SCHEMAS + "Result"}
    if name.startswith("POST"):
        answer["headers"] = answer.get("headers", {}) | _headers(_REPLAYED)


def _refusal(status: int, path: str) -> Json:
    schema = {
        "$ref": _SCHEMAS + "ProblemBody",
        "properties": {"status": {"const": status}, "code": {"enum": CODES[status]}},
    }
    content = {"application/problem+json": {"schema": schema, "example": problem(status, CODES[status][0], path)}}
    return {"content": content, "headers": _headers(_HEADERS.get(status, {}))}


def _headers(described: dict[str, tuple[str, Json]]) -> Json:
    return {name: {"description": text, "schema": schema} for name, (text, schema) in described.items()}
