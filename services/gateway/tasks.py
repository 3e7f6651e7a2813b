"""Tasks as resources: submit one, ask how it stands."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from services.gateway.access import Caller, CallerInjected
from services.gateway.idempotency import IdempotencyKey
from services.gateway.openapi import FormOperation, refusals
from services.gateway.problems import Problem
from services.gateway.runtime import Injected, Runtime
from shared import tasks
from shared.messages import Failure, StageName, State, Step
from shared.redis import answered


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
    """How a task stands. `name` is what the client called the file."""

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


async def links_of(runtime: Runtime, task_id: str, caller: Caller) -> Links:
    """Where the caller finds what belongs to the task."""
    path, stream = f"/audio/tasks/{task_id}", f"/audio/process-stream-realtime?task_id={task_id}"
    token = await runtime.access.token(task_id, caller)
    if token is None:
        return Links(self=path, events=f"{path}/events", stream=stream)
    return Links(self=path, events=f"{path}/events?token={token}", stream=f"{stream}&token={token}")


async def find(runtime: Runtime, task_id: str, caller: Caller) -> tasks.Task:
    """The task. Raises `Problem` with 404 when there is none that the caller may see."""
    task = await answered(runtime.hub.backlog.task(task_id))
    if task is None or not caller.sees(task):
        raise Problem(404, "no_such_task", "There is no task by this id, or it has expired.")
    return task


@post(
    "/audio/tasks",
    status_code=202,
    summary="Submit a recording",
    operation_class=FormOperation,
    responses=refusals(400, 409, 413, 415, 422, 503),
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
    links = await links_of(runtime, accepted.task_id, caller)
    return Response(
        Submitted(accepted.task_id, accepted.state, links), headers=accepted.headers | {"Location": links.self}
    )


@get("/audio/tasks/{task_id:str}", summary="How a task stands", responses=refusals(404, 503), tags=["tasks"])
async def task_state(task_id: FromPath[str], runtime: Injected, caller: CallerInjected) -> TaskState:
    """State, step and progress of a task; when it has failed, why."""
    task = await find(runtime, task_id, caller)
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
        links=await links_of(runtime, task_id, caller),
    )
