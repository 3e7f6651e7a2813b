"""Tasks as resources: submit one, list them, ask how one stands, cancel it."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter

from services.gateway.access import Caller, CallerInjected
from services.gateway.intake import Accepted
from services.gateway.intake.forms import is_asked
from services.gateway.intake.idempotency import IdempotencyKey
from services.gateway.openapi import BOOLEAN, FormOperation, TextFormOperation, refusals
from services.gateway.problems import Problem
from services.gateway.runtime import Injected, Runtime
from shared import events, metrics, tasks, timeline
from shared.messages import Failure, Moment, StageName, State, Step
from shared.redis import answered
from shared.tasks import Webhook
from shared.tracing import trace_id_of

log = structlog.get_logger(__name__)

_CURSOR = re.compile(r"[0-9]{1,16}")


class Links(msgspec.Struct, frozen=True):
    """Paths on this server. Where keys are asked for, those of streams let their task be watched without one, for some
    minutes."""

    self: str
    events: str
    stream: str


class Submitted(msgspec.Struct, frozen=True):
    """A task that has been accepted."""

    task_id: str
    state: State
    links: Links


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """How a task stands. `name` is what the client called the file, `webhook` who is told of the end, and what has
    become of that; null where nobody is. `trace_id` and `timeline` are there where they were asked for."""

    task_id: str
    state: State
    step: Step
    progress: int
    route: tuple[StageName, ...]
    name: str
    created: datetime
    finished: datetime | None
    error: Failure | None
    links: Links
    webhook: Webhook | None = None
    trace_id: str | msgspec.UnsetType | None = msgspec.UNSET
    timeline: Sequence[Moment] | msgspec.UnsetType = msgspec.UNSET


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of tasks. `next_cursor` leads to the next one; without it this is the last."""

    tasks: list[TaskState]
    next_cursor: str | None


async def links_of(runtime: Runtime, task_id: str, caller: Caller) -> Links:
    """Where the caller finds what belongs to the task."""
    path, stream = f"/audio/tasks/{task_id}", f"/audio/process-stream-realtime?task_id={task_id}"
    token = await runtime.access.token(task_id, caller)
    if token is None:
        return Links(self=path, events=f"{path}/events", stream=stream)
    return Links(self=path, events=f"{path}/events?token={token}", stream=f"{stream}&token={token}")


async def find(runtime: Runtime, task_id: str, caller: Caller) -> tasks.Task:
    """The task. Raises `Problem` with 410 when its time is over, and with 404 when there never was one that the caller
    may see."""
    task = await answered(runtime.hub.backlog.task(task_id))
    if task is None:
        former = await answered(tasks.read_former(runtime.redis, task_id))
        if former is not None and caller.sees(former):
            detail = "This task was kept for its time and has expired. Please submit it again."
            raise Problem(410, "task_expired", detail)
    elif caller.sees(task):
        return task
    raise Problem(404, "no_such_task", "There is no task by this id.")


@post(
    "/audio/tasks",
    status_code=202,
    summary="Submit a recording",
    operation_class=FormOperation,
    responses=refusals(400, 408, 409, 413, 415, 422, 503),
    tags=["tasks"],
)
async def submit_task(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> Response[Submitted]:
    """Takes a recording and answers with the id of its task as soon as the recording is stored."""
    accepted = await runtime.intake.submit(request, key=idempotency_key, owner=caller.owner)
    return await _submitted(runtime, accepted, caller)


@post(
    "/text/tasks",
    status_code=202,
    summary="Submit a text",
    operation_class=TextFormOperation,
    responses=refusals(400, 408, 409, 413, 422, 503),
    tags=["tasks"],
)
async def submit_text_task(
    request: Request[Any, Any, Any],
    runtime: Injected,
    caller: CallerInjected,
    idempotency_key: IdempotencyKey = None,
) -> Response[Submitted]:
    """Takes a text and answers with the id of its task, which stands under `/audio/tasks` like that of a recording."""
    accepted = await runtime.intake.submit_text(request, key=idempotency_key, owner=caller.owner)
    return await _submitted(runtime, accepted, caller)


async def _submitted(runtime: Runtime, accepted: Accepted, caller: Caller) -> Response[Submitted]:
    links = await links_of(runtime, accepted.task_id, caller)
    return Response(
        Submitted(accepted.task_id, accepted.state, links), headers=accepted.headers | {"Location": links.self}
    )


@get("/audio/tasks", summary="Your tasks, the newest first", responses=refusals(400, 503), tags=["tasks"])
async def task_list(
    runtime: Injected,
    caller: CallerInjected,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")] = 50,
    cursor: Annotated[str, QueryParameter(description="`next_cursor` of the page before.")] = "",
    state_name: Annotated[
        str,
        QueryParameter(name="state", description="Only tasks in this state.", schema_extra={"enum": [*State, ""]}),
    ] = "",
) -> TaskPage:
    """A page of the list. Tasks that come and expire meanwhile make no other come twice or be left out. With `state` a
    page may hold fewer tasks than `limit` although more follow: `next_cursor` tells."""
    if cursor and not _CURSOR.fullmatch(cursor):
        raise Problem(400, "bad_cursor", "This is no cursor. Take `next_cursor` of the page before as it is.")
    after = int(cursor) if cursor else None
    page = await answered(
        tasks.newest(runtime.redis, caller.owner, count=limit, cursor=after, state=_state(state_name))
    )
    return TaskPage(
        tasks=[await _shown(runtime, task, caller) for task in page.tasks],
        next_cursor=None if page.cursor is None else str(page.cursor),
    )


@get("/audio/tasks/{task_id:str}", summary="How a task stands", responses=refusals(400, 404, 410, 503), tags=["tasks"])
async def task_state(
    task_id: FromPath[str],
    runtime: Injected,
    caller: CallerInjected,
    debug: Annotated[
        str,
        QueryParameter(description="Tell trace and timeline of the task, too.", schema_extra={"pattern": BOOLEAN}),
    ] = "",
) -> TaskState:
    """State, step and progress of a task; when it has failed, why. With `debug`, who worked on it, when and for how
    long, and what it waited for."""
    in_detail = is_asked("debug", debug)
    task = await find(runtime, task_id, caller)
    shown = await _shown(runtime, task, caller)
    if not in_detail:
        return shown
    trace_id = trace_id_of(task.traceparent)
    return msgspec.structs.replace(shown, trace_id=trace_id, timeline=timeline.moments(task))


@delete(
    "/audio/tasks/{task_id:str}",
    status_code=202,
    summary="Cancel a task",
    responses=refusals(400, 404, 409, 410, 503),
    tags=["tasks"],
)
async def cancel_task(task_id: FromPath[str], runtime: Injected, caller: CallerInjected) -> Submitted:
    """Ends a task that is queued or at work, at once: its stream gets the event `cancelled` as its last, no further
    stage starts, and workers that are at it stop within seconds. Asked again, the answer is the same. A task that has
    ended in another way stays as it is: 409."""
    task = await find(runtime, task_id, caller)
    if not task.state.terminal:
        await _end(runtime, task)
        task = await find(runtime, task_id, caller)
    if task.state is not State.CANCELLED:
        raise Problem(409, "task_finished", f"This task has ended already: {task.state}. There is nothing to cancel.")
    return Submitted(task_id, task.state, await links_of(runtime, task_id, caller))


def _state(name: str) -> State | None:
    """The state that is asked for. (An optional enum would take `null` for none.)"""
    if not name:
        return None
    try:
        return State(name.strip().lower())
    except ValueError as error:
        detail = f"There is no state '{name[:20]}'. Choose one of: {', '.join(State)}."
        raise Problem(400, "bad_field", detail, field="state", offered=tuple(State)) from error


async def _end(runtime: Runtime, task: tasks.Task) -> None:
    """Cancel the task, if nobody else is faster in ending it."""
    event = events.make_end(task.task_id, State.CANCELLED)
    status = await answered(runtime.scripts.close(task.task_id, State.CANCELLED, event=event, error=""))
    if status == "OK":
        metrics.TASKS_ENDED.labels(State.CANCELLED).inc()
        log.info("task_cancelled", task_id=task.task_id)
        await runtime.intake.discard(task.blob)


async def _shown(runtime: Runtime, task: tasks.Task, caller: Caller) -> TaskState:
    return TaskState(
        task_id=task.task_id,
        state=task.state,
        step=task.step,
        progress=task.progress,
        route=task.route,
        name=task.name,
        created=task.created,
        finished=task.finished,
        error=task.error,
        links=await links_of(runtime, task.task_id, caller),
        webhook=task.webhook,
    )
