"""The endpoints that take a recording."""

import asyncio
from typing import Any

from litestar import Request, post
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from services.gateway.access import Caller, CallerInjected
from services.gateway.events.sse import EventStream
from services.gateway.intake import Accepted
from services.gateway.intake.idempotency import IdempotencyKey
from services.gateway.openai_api.form import SpeechForm
from services.gateway.openai_api.replies import reply
from services.gateway.openai_api.stream import Transcript, cut_off
from services.gateway.openai_api.waiting import result_of, until_ended
from services.gateway.parameters import ANY_QUERY
from services.gateway.runtime import Injected, Runtime

_RETRIES = "x-stainless-retry-count"
"""OpenAI's clients count in it how often they have sent a request before."""


@post("/v1/audio/transcriptions", status_code=200, opt=ANY_QUERY, summary="The text of a recording", tags=["openai"])
async def transcriptions(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> ASGIApp:
    """Takes a recording and answers with its text, or streams it. A client that sends the same bytes again gets the
    same task; the header `X-Task-Id` names it."""
    return await _speech(runtime, request, caller, key=idempotency_key, english=False)


@post(
    "/v1/audio/translations",
    status_code=200,
    opt=ANY_QUERY,
    summary="The text of a recording, in English",
    tags=["openai"],
)
async def translations(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> ASGIApp:
    """Takes a recording in any language and answers with its text in English."""
    return await _speech(runtime, request, caller, key=idempotency_key, english=True)


async def _speech(
    runtime: Runtime, request: Request[Any, Any, Any], caller: Caller, *, key: str | None, english: bool
) -> ASGIApp:
    again = request.headers.get(_RETRIES, "0") != "0"
    form = SpeechForm(await runtime.fleet.view(), english=english, again=again)
    accepted = await runtime.intake.submit(request, key=key, owner=caller.owner, form=form)
    headers = _headers(accepted)
    if form.order.stream:
        return EventStream(
            runtime.hub,
            {accepted.task_id: 0},
            ping_seconds=runtime.settings.ping_seconds,
            headers=headers,
            stamp=Transcript(form.order).stamp,
            cut=cut_off(),
        )
    task = await until_ended(runtime, request, accepted.task_id, caller)
    result = await result_of(runtime, task)
    answer = await asyncio.to_thread(reply, result, form.order, task.options)
    return ASGIResponse(body=answer.body, media_type=answer.media_type, headers=headers)


def _headers(accepted: Accepted) -> dict[str, str]:
    """The task's id, also where OpenAI's clients look for the id of a request."""
    return accepted.headers | {"X-Task-Id": accepted.task_id, "X-Request-Id": accepted.task_id}
