"""What `/schema` says beyond what the handlers' signatures show: the upload form, the streams, the refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, RequestBody, Schema, Tag
from litestar.openapi.spec.enums import OpenAPIFormat

from services.gateway.access import OPEN
from services.gateway.intake.forms import MOST_LABEL_CHARACTERS, MOST_LABELS, MOST_SPEAKERS, MOST_TEXT_CHARACTERS
from services.gateway.openapi.document import Describe, Document
from services.gateway.problems import ProblemBody
from shared.text.redaction import KINDS

_DESCRIPTIONS = {
    400: "The form or the address is not as it should be; `code` and `field` say what is wrong.",
    404: "There is no such task.",
    408: "The upload has stood still for too long.",
    409: "This is not how things stand; `code` says what is in the way.",
    410: "It was kept for its time and has expired.",
    413: "The recording or text is too large or too long.",
    415: "The file is no recording.",
    422: "There is no sound or text in it, or nobody here works on its language.",
    503: "The service cannot take this at the moment; `Retry-After` says when to come back.",
}


BOOLEAN = "^ *([Tt][Rr][Uu][Ee]|1|[Oo][Nn]|[Yy][Ee][Ss]|[Ff][Aa][Ll][Ss][Ee]|0|[Oo][Ff][Ff]|[Nn][Oo])? *$"
"""Everything in a form is text, and clients have their own ways to say yes. Empty is the default."""


def _text(description: str, *examples: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, examples=list(examples) or None)


def _flag(description: str, *, default: bool = False) -> Schema:
    words = Schema(type=OpenAPIType.STRING, pattern=BOOLEAN)
    return Schema(any_of=[Schema(type=OpenAPIType.BOOLEAN), words], description=description, default=default)


def _count(description: str) -> Schema:
    return Schema(type=OpenAPIType.INTEGER, description=description, minimum=1, maximum=MOST_SPEAKERS)


def _labels(description: str, example: str) -> Schema:
    many = f"at most {MOST_LABELS} of up to {MOST_LABEL_CHARACTERS} characters"
    return _text(f"{description}, separated by commas or in fields of their own: {many}.", example)


def _hint(description: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, max_length=MOST_TEXT_CHARACTERS)


RESULT_TYPES = {
    "json": "application/json",
    "txt": "text/plain",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt",
    "tsv": "text/tab-separated-values",
}
"""Content types of a result by its format. (To `text/…`, Litestar adds the charset.)"""

_FIELDS = {
    "language": _text("Language of the input: a code, a tag or a name; `auto` detects it.", "en-US"),
    "include_translation": _flag("Translate the text; unless said, it is done where there is a `target_language`."),
    "target_language": _text("What to translate to: a code, a tag or a name; implies `include_translation`.", "pt-BR"),
    "include_insights": _flag("Gather key phrases, questions, action items and sentiment."),
    "topics": _labels("Labels for classification", "business, health"),
    "entity_labels": _labels("Labels for named entities", "person, organization"),
    "redact": _text(f"What to mask, separated by commas: {', '.join(KINDS)}.", "person, email"),
    "webhook_url": _text("A URL that is told, signed, when the task has ended. Only where there are webhooks."),
}

_FORM = Schema(
    type=OpenAPIType.OBJECT,
    required=["audio"],
    additional_properties=False,
    properties={
        "audio": Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.BINARY,
            content_media_type="application/octet-stream",
            description="The recording, as a file. Its bytes decide what it is.",
        ),
        **_FIELDS,
        "audio_url": _text("Where the recording is, in place of `audio`: an https URL of the public internet."),
        "initial_prompt": _hint("Text that comes before the recording, to set its style and spelling."),
        "hotwords": _hint("Words that the recogniser should expect."),
        "diarize": _flag("Tell speakers apart; unless said, it is done where their number is given."),
        "num_speakers": _count(
            "How many people speak, if that is known; implies `diarize`. Bounds beside it must leave it room."
        ),
        "min_speakers": _count(
            "How many people speak at least; implies `diarize`. Of two bounds the lower is the least."
        ),
        "max_speakers": _count("How many people speak at most; implies `diarize`."),
        "word_timestamps": _flag("Give each word its time.", default=True),
        "channels": Schema(
            type=OpenAPIType.STRING,
            enum=["mix", "separate"],
            default="mix",
            description="Transcribe all channels together, or each for itself.",
        ),
    },
)

_TEXT_FORM = Schema(
    type=OpenAPIType.OBJECT,
    required=["text"],
    additional_properties=False,
    properties={
        "text": _text("The text, as a field or as a file; UTF-8.", "Good morning, Emma. How are you?"),
        **_FIELDS,
    },
)


@dataclass
class FormOperation(Operation):
    """An operation that takes the upload form. The handler reads it as a stream, so its signature does not show it."""

    def __post_init__(self) -> None:
        self.request_body = _body(_FORM)


@dataclass
class TextFormOperation(Operation):
    """The same for the form with a text."""

    def __post_init__(self) -> None:
        self.request_body = _body(_TEXT_FORM)


def _body(schema: Schema) -> RequestBody:
    return RequestBody(required=True, content={"multipart/form-data": OpenAPIMediaType(schema=schema)})


@dataclass
class ResultOperation(Operation):
    """An operation that answers in several formats: the media types of `RESULT_TYPES`."""

    def __post_init__(self) -> None:
        content = {kind.partition(";")[0]: OpenAPIMediaType(schema=_text("")) for kind in RESULT_TYPES.values()}
        content["application/json"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        self.responses = (self.responses or {}) | {"200": OpenAPIResponse(description="The result.", content=content)}


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems that an endpoint may answer with."""
    return {
        status: ResponseSpec(
            ProblemBody,
            generate_examples=False,
            description=_DESCRIPTIONS.get(status, HTTPStatus(status).phrase),
            media_type="application/problem+json",
        )
        for status in statuses
    }


def event_stream() -> dict[int, ResponseSpec]:
    """The answer that is a stream of events."""
    return {
        200: ResponseSpec(
            str,
            generate_examples=False,
            description="Server-sent events: each `data:` line is one JSON object, each `id:` its place in the log. "
            "A comment comes at least every 15 seconds. The stream ends behind the task's last event.",
            media_type="text/event-stream",
        )
    }


def _refuse_as_elsewhere(response: Response[Any]) -> Response[Any]:
    """Litestar has a page of its own for what is not there."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise NotFoundException
    return response


def schema_config(version: str, *, keys: bool, foreign: Mapping[str, Describe]) -> OpenAPIConfig:
    """OpenAPI as JSON at /schema, for anybody. Without the pages that would load scripts from elsewhere. `keys` says
    whether a key is asked for, `foreign` who describes the operations of an API that is not ours, by what its paths
    begin with."""
    return OpenAPIConfig(
        title="voxmesh",
        version=version,
        description="Speech to transcript, translation, entities, topics, summary and insights, streamed.",
        use_handler_docstrings=True,
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, opt=dict(OPEN), after_request=_refuse_as_elsewhere
        ),
        render_plugins=[Document(keys=keys, foreign=foreign)],
        tags=[
            Tag("streams", "Watch a task while it is being worked on."),
            Tag("tasks", "Submit a recording or a text, ask how it stands."),
            Tag("operations", "Probes and metrics."),
            Tag("openai", "OpenAI's API: what comes in becomes a task like any other."),
        ],
    )
