"""What `/schema` says of this API: its forms, its answers in each format, its streams, its errors.

The shapes come from the messages that are sent, the examples from the code that answers.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from services.gateway.codes import CODES
from services.gateway.intake.forms import MOST_SPEAKERS, MOST_TEXT_CHARACTERS
from services.gateway.openai_api.errors import ErrorBody, body_of
from services.gateway.openai_api.form import ENGLISH, Answer, Order
from services.gateway.openai_api.models import Model, ModelList
from services.gateway.openai_api.replies import (
    Diarized,
    Language,
    Speakers,
    SpeakerSegment,
    Transcription,
    Translation,
    Usage,
    Verbose,
    reply,
)
from services.gateway.openai_api.stream import Delta, Done
from services.gateway.openapi import BOOLEAN, example_result
from services.gateway.problems import Problem
from shared.messages import Message, Options

Json = dict[str, Any]

_PREFIX = "OpenAI"
"""Of the names of schemas: some are called like one of the mesh's own."""
_KINDS = (Transcription, Translation, Verbose, Diarized, ErrorBody, ModelList, Model, Delta, SpeakerSegment, Done)
_SPEECH_REFUSALS = (400, 404, 408, 409, 410, 413, 415, 422, 503)
_MODEL = Model(id="whisper-1")
_TEXT: Json = {"type": "string"}
_FLAG: Json = {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": BOOLEAN}], "default": False}
_COUNT: Json = {"type": "integer", "minimum": 1, "maximum": MOST_SPEAKERS}
_HEADERS: Json = {
    "X-Task-Id": {"description": "The task, which is in `/audio/tasks`, too.", "schema": _TEXT},
    "X-Request-Id": {"description": "The same.", "schema": _TEXT},
    "Idempotent-Replayed": {"description": "`true` when the same was sent before.", "schema": _TEXT},
}
_RETRY: Json = {"Retry-After": {"description": "Seconds after which to come back.", "schema": {"type": "integer"}}}

_BOTH: dict[str, Json] = {
    "file": {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "description": "The recording, as a file. Its bytes decide what it is.",
    },
    "model": _TEXT | {"description": "One of `/v1/models`; without it, whatever runs.", "examples": [_MODEL.id]},
    "prompt": _TEXT | {"description": f"Context; of a long one the last {MOST_TEXT_CHARACTERS:,} characters count."},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Without effect here."},
    "language": _TEXT | {"description": "What is spoken; `auto` detects it.", "examples": ["en"]},
    "hotwords": _TEXT | {"maxLength": MOST_TEXT_CHARACTERS, "description": "The mesh's own: words to expect."},
    "channels": {
        "enum": ["mix", "separate"],
        "default": "mix",
        "description": "The mesh's own: all channels together, or each for itself.",
    },
}
_LISTS: dict[str, Json] = {
    "timestamp_granularities": {"enum": ["word", "segment"], "description": "Only with `verbose_json`."},
    "languages": _TEXT | {"description": "One is the spoken language, several say nothing."},
    "keywords": _TEXT | {"description": "Words to expect."},
}
_PARTS = ("type", "prefix_padding_ms", "silence_duration_ms", "threshold")
_TRANSCRIPTION: dict[str, Json] = {
    **_BOTH,
    **{f"{name}[]": {"type": "array", "items": item} for name, item in _LISTS.items()},
    **{name: _TEXT | {"description": f"`{name}[]`, separated by commas."} for name in _LISTS},
    "chunking_strategy": _TEXT | {"description": "Without effect here."},
    **{f"chunking_strategy[{part}]": _TEXT | {"description": "Without effect here."} for part in _PARTS},
    "stream": _FLAG | {"description": "Answer with a delta for each sentence, as it is recognised."},
    "diarize": _FLAG | {"description": "The mesh's own: tell speakers apart."},
    **{f"{which}_speakers": _COUNT | {"description": "The mesh's own."} for which in ("num", "min", "max")},
}


def describe(name: str, operation: Json, schemas: dict[str, Json]) -> None:
    """Complete what is known of the operation `name`, and add to `schemas` what it refers to."""
    _, found = msgspec.json.schema_components(_KINDS, ref_template=f"#/components/schemas/{_PREFIX}{{name}}")
    schemas |= {f"{_PREFIX}{kind}": schema for kind, schema in found.items()}
    refused = [int(status) for status in operation["responses"] if status in {"401", "429"}]
    match name.partition(" ")[2]:
        case "/v1/audio/transcriptions":
            operation["requestBody"] = _form(_TRANSCRIPTION, Answer)
            answer, refused = _speech(english=False), [*_SPEECH_REFUSALS, *refused]
        case "/v1/audio/translations":
            operation["requestBody"] = _form(_BOTH, [kind for kind in Answer if kind is not Answer.DIARIZED])
            answer, refused = _speech(english=True), [*_SPEECH_REFUSALS, *refused]
        case "/v1/models":
            answer, refused = _json(ModelList, example=ModelList(data=(_MODEL,))), [503, *refused]
        case _:
            answer, refused = _json(Model, example=_MODEL), [404, 503, *refused]
            for parameter in operation["parameters"]:
                parameter["example"] = _MODEL.id
    operation["responses"] = {"200": answer} | {str(status): _refusal(status) for status in sorted(refused)}


def _form(fields: Mapping[str, Json], answers: Any) -> Json:
    kinds = {"enum": [kind.value for kind in answers], "default": Answer.JSON.value, "description": "Of the answer."}
    schema: Json = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {**fields, "response_format": kinds},
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _speech(*, english: bool) -> Json:
    kinds: Mapping[Answer, type[Message]] = {Answer.JSON: Translation if english else Transcription}
    kinds |= {Answer.VERBOSE: Verbose} if english else {Answer.VERBOSE: Verbose, Answer.DIARIZED: Diarized}
    body = reply(example_result(), Order(), Options()).body
    content: Json = {
        "application/json": {
            "schema": {"anyOf": [_reference(kind) for kind in kinds.values()]},
            "example": {"text": msgspec.json.decode(body)["text"]} if english else msgspec.json.decode(body),
        }
    }
    for answer in (Answer.TEXT, Answer.SRT, Answer.VTT):
        found = reply(example_result(), Order(answer=answer), Options())
        content[found.media_type.partition(";")[0]] = {"schema": _TEXT, "example": found.body.decode()}
    if not english:
        content["text/event-stream"] = _stream()
    return {"description": "The text, in the format that was asked for.", "content": content, "headers": _HEADERS}


def _stream() -> Json:
    result = example_result()
    (segment,) = (Speakers().segment(segment) for segment in result.segments)
    end = Done(text=result.transcript, languages=(Language(code=ENGLISH),), usage=Usage(seconds=result.duration))
    said = (Delta(type="transcript.text.delta", delta=segment.text, segment_id=segment.id), segment, end)
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [_reference(kind) for kind in (Delta, SpeakerSegment, Done, ErrorBody)]},
    }
    return {
        "schema": {"type": "object", "required": ["data"], "properties": {"data": data}},
        "example": "".join(f"data: {msgspec.json.encode(event).decode()}\n\n" for event in said),
    }


def _json(kind: type[Message], *, example: Message) -> Json:
    content = {"application/json": {"schema": _reference(kind), "example": msgspec.to_builtins(example)}}
    return {"description": "What there is.", "content": content}


def _refusal(status: int) -> Json:
    problem = Problem(status, CODES[status][-1], "What is wrong, and what a person can do about it.")
    example = msgspec.to_builtins(body_of(problem))
    content = {"application/json": {"schema": _reference(ErrorBody), "example": example}}
    headers = _RETRY if status in (429, 503) else {}
    return {"description": HTTPStatus(status).phrase, "content": content, "headers": headers}


def _reference(kind: type[Message]) -> Json:
    return {"$ref": f"#/components/schemas/{_PREFIX}{kind.__name__}"}
