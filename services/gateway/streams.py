"""Server-sent events: the life of one stream, and the endpoints that open one."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from services.gateway import frames
from services.gateway.access import LINK, Caller, CallerInjected
from services.gateway.hub import Cursor, Hub
from services.gateway.idempotency import IdempotencyKey
from services.gateway.openapi import FormOperation, TextFormOperation, event_stream, refusals
from services.gateway.problems import Problem
from services.gateway.runtime import Injected, Runtime
from services.gateway.tasks import find, links_of
from shared import metrics

RETRY_MILLISECONDS = 2_000

LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="The id of the last event that the client has had."),
]

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStream:
    """The response that is a stream of events, as an ASGI application.

    It is no generator: everything happens in the coroutine that serves the request, so its `finally` runs when the
    client leaves, when the task ends and when the server stops, and nothing is left to the garbage collector.
    """

    def __init__(
        self, hub: Hub, task_id: str, *, after: int, ping_seconds: float, headers: Mapping[str, str] | None = None
    ) -> None:
        self._hub = hub
        self._task_id = task_id
        self._after = after
        self._ping_seconds = ping_seconds
        self._headers = _HEADERS | {"X-Task-Id": task_id} | dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        cursor = self._hub.open(self._task_id, after=self._after)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_close_when_gone(receive, cursor), name="stream-disconnect")
                await self._serve(cursor, send)
                watch.cancel()
        finally:
            cursor.close()

    async def _serve(self, cursor: Cursor, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _encoded(self._headers)})
        await _send(send, frames.retry(RETRY_MILLISECONDS))
        ended = False
        while not (ended or cursor.closed):
            taken = await cursor.take(self._ping_seconds)
            if taken:
                ended = taken[-1].terminal
                await _send(send, b"".join(frame.data for frame in taken), more=not ended)
                metrics.EVENTS_SENT.inc(len(taken))
            elif not cursor.closed:
                await _send(send, frames.PING)
        if not ended:
            await _send(send, b"", more=False)


@post(
    "/audio/process-stream-realtime",
    status_code=200,
    summary="Submit a recording and watch it",
    operation_class=FormOperation,
    responses=event_stream() | refusals(400, 408, 409, 413, 415, 422, 503),
    tags=["streams"],
)
async def submit_and_stream(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> ASGIApp:
    """Takes a recording and streams the events of its task. The header `X-Task-Id` names the task: a client that
    loses the stream goes on with the GET of the same path. The task goes on, whether or not anybody watches."""
    accepted = await runtime.intake.submit(request, key=idempotency_key, owner=caller.owner)
    return await _stream(runtime, accepted.task_id, caller, headers=accepted.headers)


@post(
    "/text/process-stream-realtime",
    status_code=200,
    summary="Submit a text and watch it",
    operation_class=TextFormOperation,
    responses=event_stream() | refusals(400, 409, 413, 422, 503),
    tags=["streams"],
)
async def submit_text_and_stream(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> ASGIApp:
    """Takes a text and streams the events of its task: the same steps as for a recording, without a transcription.
    What can be done with a task under `/audio/tasks` can be done with this one, too."""
    accepted = await runtime.intake.submit_text(request, key=idempotency_key, owner=caller.owner)
    return await _stream(runtime, accepted.task_id, caller, headers=accepted.headers)


@get(
    "/audio/process-stream-realtime",
    opt=LINK,
    summary="Watch a task",
    responses=event_stream() | refusals(400, 404, 410, 503),
    tags=["streams"],
)
async def stream(
    runtime: Injected,
    caller: CallerInjected,
    task_id: Annotated[str, QueryParameter(description="The task to watch.")] = "",
    last_event_id: LastEventId = None,
) -> ASGIApp:
    """Streams the events of a task from its start, or from behind the event that `Last-Event-ID` names, to its end.
    This is what a browser's `EventSource` opens. A client that has the last event of a task is answered 204, upon
    which an `EventSource` stops."""
    if not task_id:
        raise Problem(
            400, "task_id_missing", "Say which task to watch: ?task_id=… To submit a recording, POST it to this path."
        )
    return await _watch(runtime, task_id, caller, last_event_id)


@get(
    "/audio/tasks/{task_id:str}/events",
    opt=LINK,
    summary="The events of a task",
    responses=event_stream() | refusals(404, 410, 503),
    tags=["streams"],
)
async def task_events(
    task_id: FromPath[str],
    runtime: Injected,
    caller: CallerInjected,
    last_event_id: LastEventId = None,
) -> ASGIApp:
    """The same stream under the task's own path."""
    return await _watch(runtime, task_id, caller, last_event_id)


async def _watch(runtime: Runtime, task_id: str, caller: Caller, last_event_id: str | None) -> ASGIApp:
    task = await find(runtime, task_id, caller)
    after = frames.position(last_event_id)
    if task.state.terminal and 0 < after == task.last_event:
        return _nothing_more
    if after > task.last_event:  # no event of this task: better all of them again than none
        after = 0
    return await _stream(runtime, task_id, caller, after=after)


async def _stream(
    runtime: Runtime, task_id: str, caller: Caller, *, after: int = 0, headers: Mapping[str, str] | None = None
) -> EventStream:
    links = await links_of(runtime, task_id, caller)
    named = {"Link": f'<{links.self}>; rel="self", <{links.stream}>; rel="alternate"'}
    return EventStream(
        runtime.hub,
        task_id,
        after=after,
        ping_seconds=runtime.settings.ping_seconds,
        headers=named | dict(headers or {}),
    )


async def _nothing_more(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
    """204: the one answer upon which an `EventSource` does not come back."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _close_when_gone(receive: Receive, cursor: Cursor) -> None:
    """Ends the stream when the client has left. Nothing needs to be cancelled: a send to nobody returns at once."""
    while (await receive())["type"] != "http.disconnect":
        pass
    cursor.close()


async def _send(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
