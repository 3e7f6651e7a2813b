"""What schemathesis needs to know to be understood by a gateway: recordings, languages, tasks that exist.

`VOXMESH_TASKS` has the ids of tasks that have ended, separated by commas.
"""

import os
from typing import Any, cast

import schemathesis
from hypothesis import strategies as st

from tests.fakes.form import wav

TASKS = os.environ.get("VOXMESH_TASKS", "").split(",")
LANGUAGES = ("en", "en-US", "english", "PT_br", "日本語", "")
LABELS = ("business", "saúde, 日本 , ", ",", "a" * 100, "")
MEANT = {
    "language": (*LANGUAGES, "auto", "AUTO"),
    "target_language": LANGUAGES,
    "topics": LABELS,
    "entity_labels": LABELS,
    "redact": ("person", "Email, PHONE", "card,,iban", ""),
    "webhook_url": ("",),
    "audio_url": ("",),
    "text": ("Olá.", "Two sentences. And a half", "日本語。" * 50, "-"),
}
"""What a person would write into fields that can hold more than a schema can say."""

schemathesis.openapi.format("binary", st.sampled_from([wav(0.2), wav(1.0)]))


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def filter_body(context: Any, body: Any) -> bool:  # noqa: ARG001
    """Everything in a form is text: a number in its place, or a list of one, cannot be told from it."""
    if not isinstance(body, dict):
        return True
    return all(_is_distinct(value) for value in cast("dict[str, Any]", body).values())


def _is_distinct(value: object) -> bool:
    match value:
        case bool() | int() | float() | None:
            return False
        case list() | dict():
            return len(cast("list[object]", value)) > 1
        case _:
            return True


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def map_body(context: Any, body: Any) -> Any:  # noqa: ARG001
    """Text that was made up gives way to text that is meant."""
    if isinstance(body, dict):
        fields = body = cast("dict[str, Any]", body)
        for name in fields.keys() & MEANT.keys():
            if isinstance(fields[name], str):
                fields[name] = MEANT[name][sum(map(ord, fields[name])) % len(MEANT[name])]
    return body


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ARG001
    """Most tasks that a path names exist."""
    if path_parameters and isinstance(path_parameters.get("task_id"), str):
        path_parameters["task_id"] = _existing(path_parameters["task_id"])
    return path_parameters


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ARG001
    """So do most that are to be watched."""
    match query:
        case {"task_id": str(task_id)}:
            query["task_id"] = _existing(task_id)
        case {"task_id": [*task_ids]}:
            query["task_id"] = [_existing(str(task_id)) for task_id in task_ids]
        case _:
            pass
    return query


def _existing(task_id: str) -> str:
    """One of `TASKS` in three of four cases, by what was made up; else that."""
    choice = sum(map(ord, task_id))
    return TASKS[choice // 4 % len(TASKS)] if choice % 4 else task_id


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001
    """Fields that are right each for itself, but contradict each other, are rightly refused. No schema says which do,
    for a blank one is not there."""
    refused = response.status_code == 400 and b'"code":"conflicting_fields"' in response.content
    return not (refused and failure.code == "ST202" and _is_contradictory(case.body))


def _is_contradictory(body: dict[str, Any]) -> bool:
    numbers = [name for name in ("num_speakers", "min_speakers", "max_speakers") if str(body.get(name, "")).strip()]
    return "num_speakers" in numbers and len(numbers) > 1
