"""Holding a request until its task has ended."""

import asyncio
from typing import Any

from litestar import Request

from services.gateway.access import Caller
from services.gateway.events.sse import close_when_gone
from services.gateway.openai_api.errors import without_result
from services.gateway.problems import Disconnected, Problem, unavailable
from services.gateway.runtime import Runtime
from services.gateway.tasks import find
from shared import codec, keys
from shared.messages import Result, State
from shared.redis import answered
from shared.tasks import Task

_LOOK_SECONDS = 10.0
"""How long the end is waited for at a time."""


async def until_ended(runtime: Runtime, request: Request[Any, Any, Any], task_id: str, caller: Caller) -> Task:
    """The task, once it has ended. Raises `Disconnected` when the client does not wait for it, and `Problem` with 503
    when this gateway stops before; the task goes on in either case."""
    task = await find(runtime, task_id, caller)
    if task.state.terminal:
        return task
    cursor = runtime.hub.open(task_id, after=task.last_event)
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(close_when_gone(request.receive, [cursor]), name="wait-disconnect")
            ended = False
            while not (ended or cursor.closed):
                frames = await cursor.take(_LOOK_SECONDS)
                ended = bool(frames) and frames[-1].terminal
            gone = watch.done()
            watch.cancel()
    finally:
        cursor.close()
    if not ended:
        raise Disconnected if gone else unavailable("The service is being restarted. Please send the same again.")
    return await find(runtime, task_id, caller)


async def result_of(runtime: Runtime, task: Task) -> Result:
    """The result of a task that has ended. Raises `Problem` when it has none."""
    if task.state is not State.COMPLETED:
        raise without_result(task.state, task.error)
    data = await answered(runtime.redis.get(keys.result(task.task_id)))
    if data is None:
        raise Problem(410, "task_expired", "The result was kept for its time and has expired. Please submit it again.")
    return await asyncio.to_thread(codec.decode_result, data)
