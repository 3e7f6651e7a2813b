"""The endpoints that open a stream of events."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from services.gateway.access import LINK, Caller, CallerInjected
from services.gateway.events import frames
from services.gateway.events.backlog import lost
from services.gateway.events.places import ENDED, NAME, Places, places_of
from services.gateway.events.sse import EventStream, Source, nothing_more
from services.gateway.intake.idempotency import IdempotencyKey
from services.gateway.openapi import FormOperation, TextFormOperation, event_stream, refusals
from services.gateway.problems import Problem
from services.gateway.runtime import Injected, Runtime
from services.gateway.tasks import find, links_of
from shared.tasks import Task

MOST_TASKS = 50
"""On one stream: as many as fit into an address and an id of moderate length."""


def _last_seen(
    last_event_id: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", description="The id of the last event that the client has had."),
    ] = None,
    last_event_id_query: Annotated[
        str | None,
        QueryParameter(
            name="last_event_id",
            description="The same, for a page that opens an `EventSource` anew: it cannot send the header. "
            "The header, which the browser sends when it comes back by itself, counts for more.",
        ),
    ] = None,
) -> str:
    return last_event_id or last_event_id_query or ""


TaskId = Annotated[str, QueryParameter(description="The task to watch.")]

LastSeen = NamedDependency[str]
_LAST_SEEN = {"last_seen": Provide(_last_seen, sync_to_thread=False)}


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
    return await _stream(runtime, accepted.task_id, caller, source=runtime.hub, headers=accepted.headers)


@post(
    "/text/process-stream-realtime",
    status_code=200,
    summary="Submit a text and watch it",
    operation_class=TextFormOperation,
    responses=event_stream() | refusals(400, 408, 409, 413, 422, 503),
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
    return await _stream(runtime, accepted.task_id, caller, source=runtime.hub, headers=accepted.headers)


@get(
    "/audio/process-stream-realtime",
    opt=LINK,
    dependencies=_LAST_SEEN,
    summary="Watch a task",
    responses=event_stream() | refusals(400, 404, 410, 503),
    tags=["streams"],
)
async def stream(
    runtime: Injected,
    caller: CallerInjected,
    last_seen: LastSeen,
    task_id: TaskId = "",
) -> ASGIApp:
    """Streams the events of a task from its start, or from behind the event that `Last-Event-ID` names, to its end.
    This is what a browser's `EventSource` opens. A client that has the last event of a task is answered 204, upon
    which an `EventSource` stops."""
    return await _watch(runtime, task_id, caller, last_seen, source=runtime.hub)


@get(
    "/audio/tasks/{task_id:str}/events",
    opt=LINK,
    dependencies=_LAST_SEEN,
    summary="The events of a task",
    responses=event_stream() | refusals(400, 404, 410, 503),
    tags=["streams"],
)
async def task_events(
    task_id: FromPath[str],
    runtime: Injected,
    caller: CallerInjected,
    last_seen: LastSeen,
) -> ASGIApp:
    """The same stream under the task's own path."""
    return await _watch(runtime, task_id, caller, last_seen, source=runtime.hub)


@get(
    "/audio/events",
    opt=LINK,
    dependencies=_LAST_SEEN,
    summary="Watch several tasks",
    responses=event_stream() | refusals(400, 404, 503),
    tags=["streams"],
)
async def events_of_many(
    runtime: Injected,
    caller: CallerInjected,
    last_seen: LastSeen,
    task_id: Annotated[
        list[str] | None,
        QueryParameter(
            description="A task to watch; repeat the parameter for each.",
            schema_extra={"items": {"type": "string", "minLength": 1}, "minItems": 1},
        ),
    ] = None,
) -> ASGIApp:
    """Streams the events of up to 50 tasks over one connection, of which a browser keeps only six. Each event names its
    `task_id`; those of one task come in order. The `id` of an event stands for the place in all of the tasks, so that
    `Last-Event-ID` resumes each where it was. The stream ends when all have ended; a task that is not known ends with
    `expired`, unless none is known."""
    task_ids = list(dict.fromkeys(filter(None, task_id or ())))
    if not task_ids:
        raise Problem(400, "task_id_missing", "Say which tasks to watch: ?task_id=…&task_id=…")
    if len(task_ids) > MOST_TASKS:
        raise Problem(400, "too_many_task_ids", f"At most {MOST_TASKS} tasks go on one stream; open another.")
    if strange := [task_id for task_id in task_ids if not NAME.fullmatch(task_id)]:
        raise _no_such(strange)
    return await _watch_many(runtime, task_ids, caller, last_seen)


@post(
    "/audio/process-stream",
    status_code=200,
    summary="Submit a recording and learn of each step",
    operation_class=FormOperation,
    responses=event_stream() | refusals(400, 408, 409, 413, 415, 422, 503),
    tags=["streams"],
)
async def submit_and_poll(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> ASGIApp:
    """Takes a recording and streams the steps of its task as they are completed, without partial results. The task is
    looked at every two seconds, so this works where Redis lets nobody subscribe."""
    accepted = await runtime.intake.submit(request, key=idempotency_key, owner=caller.owner)
    return await _stream(runtime, accepted.task_id, caller, source=runtime.polling, headers=accepted.headers)


@get(
    "/audio/process-stream",
    opt=LINK,
    dependencies=_LAST_SEEN,
    summary="Learn of each step of a task",
    responses=event_stream() | refusals(400, 404, 410, 503),
    tags=["streams"],
)
async def poll(runtime: Injected, caller: CallerInjected, last_seen: LastSeen, task_id: TaskId = "") -> ASGIApp:
    """Streams the steps of a task as they are completed, from its start, or from behind the event that `Last-Event-ID`
    names. A client that has the last event of a task is answered 204."""
    return await _watch(runtime, task_id, caller, last_seen, source=runtime.polling)


async def _watch(runtime: Runtime, task_id: str, caller: Caller, last_seen: str, *, source: Source) -> ASGIApp:
    if not task_id:
        raise Problem(
            400, "task_id_missing", "Say which task to watch: ?task_id=… To submit a recording, POST it to this path."
        )
    task = await find(runtime, task_id, caller)
    after = _place(task, frames.position(last_seen))
    if _had_all(task, after):
        return nothing_more
    return await _stream(runtime, task_id, caller, source=source, after=after)


async def _watch_many(runtime: Runtime, task_ids: Sequence[str], caller: Caller, last_seen: str) -> ASGIApp:
    found = {task.task_id: task for task in await _find_all(runtime, task_ids, caller)}
    seen = places_of(last_seen, task_ids)
    after = {task_id: _place(task, seen.get(task_id, 0)) for task_id, task in found.items()}
    gone = [task_id for task_id in task_ids if task_id not in found and seen.get(task_id) != ENDED]
    places = Places(task_ids, seen | after)
    open_ones = {task_id: number for task_id, number in after.items() if not _had_all(found[task_id], number)}
    if not (open_ones or gone):
        return nothing_more
    return EventStream(
        runtime.hub,
        open_ones,
        ping_seconds=runtime.settings.ping_seconds,
        first=b"".join(places.stamp(task_id, lost(task_id)) for task_id in gone),
        stamp=places.stamp,
    )


async def _find_all(runtime: Runtime, task_ids: Sequence[str], caller: Caller) -> list[Task]:
    """Those that there are. Raises `Problem` with 404 when there is none."""

    async def find_one(task_id: str) -> Task | None:
        try:
            return await find(runtime, task_id, caller)
        except Problem as problem:
            if problem.status in {404, 410}:
                return None
            raise

    found = [task for task in await asyncio.gather(*map(find_one, task_ids)) if task is not None]
    if not found:
        raise _no_such(task_ids)
    return found


def _no_such(task_ids: Sequence[str]) -> Problem:
    return Problem(404, "no_such_task", f"There are no such tasks, or they have expired: {', '.join(task_ids)}")


def _place(task: Task, number: int) -> int:
    """Where the client stands in the log. Of a number that is none of this task's: better all of it again than none."""
    return number if 0 <= number <= task.last_event else 0


def _had_all(task: Task, number: int) -> bool:
    return task.state.terminal and 0 < number == task.last_event


async def _stream(
    runtime: Runtime,
    task_id: str,
    caller: Caller,
    *,
    source: Source,
    after: int = 0,
    headers: Mapping[str, str] | None = None,
) -> EventStream:
    links = await links_of(runtime, task_id, caller)
    named = {"X-Task-Id": task_id, "Link": f'<{links.self}>; rel="self", <{links.stream}>; rel="alternate"'}
    return EventStream(
        source,
        {task_id: after},
        ping_seconds=runtime.settings.ping_seconds,
        headers=named | dict(headers or {}),
    )
