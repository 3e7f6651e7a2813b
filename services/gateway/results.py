"""The result of a task, as data, text or subtitles."""

import asyncio
from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, HeaderParameter, QueryParameter

from services.gateway.access import CallerInjected
from services.gateway.downloads import attachment, etag, is_known, stem_of
from services.gateway.intake.forms import is_asked
from services.gateway.openapi import BOOLEAN, RESULT_TYPES, ResultOperation, refusals
from services.gateway.problems import RETRY_SECONDS, Problem
from services.gateway.runtime import Injected
from services.gateway.tasks import find
from shared import codec, keys
from shared.messages import StageName, State
from shared.redis import answered
from shared.tasks import Task
from shared.text.subtitles import Format, render

JSON = "json"

_TIMED = (Format.SRT, Format.VTT, Format.TSV)
_ENDINGS = {State.FAILED: "failed", State.CANCELLED: "was cancelled", State.EXPIRED: "expired"}


FormatName = Annotated[
    str, QueryParameter(name="format", description="What to make of it.", schema_extra={"enum": list(RESULT_TYPES)})
]
Translated = Annotated[
    str,
    QueryParameter(
        description="Take the translation in place of what was said. `json` holds both in any case.",
        schema_extra={"pattern": BOOLEAN},
    ),
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="The `ETag` of the copy that the client has.")
]


@get(
    "/audio/tasks/{task_id:str}/result",
    summary="The result of a task",
    operation_class=ResultOperation,
    responses=refusals(400, 404, 409, 410, 503),
    tags=["tasks"],
)
async def task_result(
    task_id: FromPath[str],
    runtime: Injected,
    *,
    caller: CallerInjected,
    kind: FormatName = JSON,
    translated: Translated = "",
    if_none_match: IfNoneMatch = None,
) -> Response[bytes]:
    """The whole result as one JSON document, its text with one sentence a line, or subtitles with cues of at most two
    lines of 42 characters. It is there once the task is completed, for as long as the task is kept."""
    chosen = _format(kind)
    in_translation = is_asked("translated", translated) and chosen is not None
    task = await find(runtime, task_id, caller)
    _require_result(task, chosen, translated=in_translation)
    data = await answered(runtime.redis.get(keys.result(task_id)))
    if data is None:
        raise Problem(410, "task_expired", "The result was kept for its time and has expired. Please submit it again.")
    body, tag = await asyncio.to_thread(_made, data, chosen, translated=in_translation)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if is_known(tag, if_none_match):
        return Response(b"", status_code=304, headers=headers)
    language = f".{task.options.target_language}" if in_translation else ""
    headers |= {
        "Content-Disposition": attachment(f"{stem_of(task.name)}{language}.{chosen or JSON}"),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=RESULT_TYPES[chosen or JSON], headers=headers)


def _format(kind: str) -> Format | None:
    """The format by its name; None is JSON."""
    name = kind.strip().lower()
    if name not in RESULT_TYPES:
        detail = f"There is no format '{kind[:20]}'. Choose one of: {', '.join(RESULT_TYPES)}."
        raise Problem(400, "unknown_format", detail, field="format", offered=tuple(RESULT_TYPES))
    return None if name == JSON else Format(name)


def _require_result(task: Task, kind: Format | None, *, translated: bool) -> None:
    """Raises `Problem` when the task has no result of this kind: not yet, or never."""
    if not task.state.terminal:
        raise Problem(
            409,
            "task_not_finished",
            f"The task is at {task.progress} %. Come back after Retry-After, or watch its events.",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    if task.state is not State.COMPLETED:
        reason = f": {task.error.message}" if task.error else "."
        raise Problem(409, "task_without_result", f"The task {_ENDINGS[task.state]}{reason}", failure=task.error)
    if kind in _TIMED and StageName.ASR not in task.route:
        raise Problem(409, "no_times", "This task came from text, which has no times. Take json or txt.")
    if translated and task.options.target_language is None:
        raise Problem(409, "no_translation", "No translation was asked for. Submit with include_translation=true.")


def _made(data: bytes, kind: Format | None, *, translated: bool) -> tuple[bytes, str]:
    """The body and its tag."""
    body = data if kind is None else _rendered(data, kind, translated=translated)
    return body, etag(body)


def _rendered(data: bytes, kind: Format, *, translated: bool) -> bytes:
    result = codec.decode_result(data)
    if translated and result.translation is None and result.segments:
        reason = next((notice.message for notice in result.warnings if notice.code == "no_translation_model"), "")
        raise Problem(409, "no_translation", f"The task has no translation. {reason}".strip())
    return render(result, kind, translated=translated).encode(errors="replace")
