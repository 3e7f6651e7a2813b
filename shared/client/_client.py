"""`MeshClient`: submit recordings, follow their events through whatever happens to the connection, fetch results."""

import re
import ssl
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, Self, Unpack
from urllib.parse import urlencode

import httpx

from shared.client._clock import Clock
from shared.client._form import Audio, Form, Options, encoded, fields_of, recording_form
from shared.client._http import Http, read
from shared.client._stream import Stream
from shared.client._task import TaskState, Update
from shared.errors import MeshRefused, TaskFailed
from shared.messages import Failure, Message, Result, State

_TASK_ID = re.compile(r"[\w-]+", re.ASCII)
_UNASKED_BYTES = 8 << 20
"""A recording of no more than this is sent at once; before a larger one the gateway is asked whether it takes it."""


class MeshClient:
    """An asynchronous context manager over the gateway at `url`; one serves any number of tasks at a time.

    Every method lives through an outage of the gateway of up to `patience` seconds, and through a `Retry-After` that is
    no longer. After that it raises the last `MeshRefused` (with the gateway's status, code and message), or
    `MeshUnreachable`. Each takes a `deadline` in seconds, and raises `DeadlineExceeded` (a `TimeoutError`) when it is
    not done by then. All these are `MeshError`s, as is what is raised when an answer is not one of a gateway.
    """

    def __init__(
        self, url: str, *, api_key: str = "", patience: float = 60.0, verify: ssl.SSLContext | bool = True
    ) -> None:
        """Raises `ValueError` when `url` is no address or `api_key` cannot be sent. Connects with the first request."""
        self._http = Http(url, api_key=api_key, verify=verify)
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def submit(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> str:
        """The id of a new task for the recording. Raises `OSError` when it cannot be read, and `ValueError` for a text
        that is no URL: a file is a `Path`. What lies at a URL, the gateway fetches before it answers.

        `name` is what people see it called; a file's own by default, and always the end of a URL's path. However often
        a reply is lost and the submission repeated, it makes one task: `idempotency_key` names it, and is made up where
        none is given.
        """
        return await self._submit(self._clock(deadline), audio, name, idempotency_key, options)

    async def submit_text(
        self,
        text: str,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> str:
        """The id of a new task for the text: all that is done with a recording, without the transcription."""
        form = Form(fields_of(options), "text", encoded(text), name=name or "text.txt")
        response = await self._send("/text/tasks", self._clock(deadline), form, idempotency_key)
        return read(response, _Submitted).task_id

    async def watch(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Update]:
        """`submit`, and then `events`. The task goes on, whether or not anybody watches."""
        clock = self._clock(deadline)
        task_id = await self._submit(clock, audio, name, idempotency_key, options)
        async with aclosing(self._stream(task_id, clock)) as updates:
            async for update in updates:
                yield update

    async def events(self, task_id: str, *, after: str = "", deadline: float | None = None) -> AsyncGenerator[Update]:
        """Each event of the task once and in order, from its start or from behind the one whose id is `after`, to its
        end, over as many connections as it takes."""
        async with aclosing(self._stream(task_id, self._clock(deadline), after=after)) as updates:
            async for update in updates:
                yield update

    async def events_of(
        self, task_ids: Sequence[str], *, after: str = "", deadline: float | None = None
    ) -> AsyncGenerator[Update]:
        """The events of several tasks, at most 50, over one connection, to the end of the last. Each names its
        `task_id`; those of a task come once and in order.

        The `id` of an event stands for the place in all tasks, and is good for later calls with other tasks, too. One
        that is not known ends with `expired`; only when none is known `MeshRefused` is raised."""
        path = f"/audio/events?{urlencode([('task_id', task_id) for task_id in task_ids])}"
        stream = Stream(self._http, path, self._clock(deadline), task_ids=task_ids, after=after)
        async with aclosing(stream.updates()) as updates:
            async for update in updates:
                yield update

    async def transcribe(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> Result:
        """The result of a new task for the recording. Raises `TaskFailed` when it ends without one.

        The task goes on when the caller is cancelled, or has waited to its deadline."""
        clock = self._clock(deadline)
        task_id = await self._submit(clock, audio, name, idempotency_key, options)
        async with aclosing(self._stream(task_id, clock)) as updates:
            async for update in updates:
                if isinstance(result := update.partial, Result):
                    return result
                if update.step.terminal:
                    raise TaskFailed(update.error or Failure(code=update.step, message=update.message))
        raise TaskFailed(Failure(code="task_lost", message="The task has ended, and nobody knows how."))

    async def task(self, task_id: str, *, debug: bool = False, deadline: float | None = None) -> TaskState:
        """How the task stands; with `debug`, its trace and its timeline, too."""
        query = {"debug": "true"} if debug else {}
        response = await self._http.get(_path(task_id), self._clock(deadline), params=query)
        return read(response, TaskState)

    async def tasks(self, *, state: State | None = None, deadline: float | None = None) -> AsyncGenerator[TaskState]:
        """Your tasks, the newest first; all, or those in `state`."""
        clock = self._clock(deadline)
        query = {"state": State(state).value} if state else {}
        cursor: str | None = ""
        while cursor is not None:
            page = read(await self._http.get("/audio/tasks", clock, params={**query, "cursor": cursor}), _Page)
            for task in page.tasks:
                yield task
            cursor = page.next_cursor

    async def result(self, task_id: str, *, deadline: float | None = None) -> Result:
        """The result of a task that is completed. Raises `MeshRefused` with 409 for one that is not."""
        return read(await self._http.get(f"{_path(task_id)}/result", self._clock(deadline)), Result)

    async def result_as(
        self,
        task_id: str,
        kind: Literal["txt", "srt", "vtt", "tsv", "json"],
        *,
        translated: bool = False,
        deadline: float | None = None,
    ) -> str:
        """The result as text, subtitles, a table or JSON; with `translated`, of the translation."""
        query = {"format": kind, "translated": str(translated).lower()}
        return (await self._http.get(f"{_path(task_id)}/result", self._clock(deadline), params=query)).text

    async def cancel(self, task_id: str, *, deadline: float | None = None) -> None:
        """End a task that has not ended. No error when it was cancelled before; raises `MeshRefused` with 409 when it
        has ended in another way."""
        await self._http.delete(_path(task_id), self._clock(deadline))

    async def capabilities(self, *, deadline: float | None = None) -> dict[str, Any]:
        """What the running workers can do: languages, pairs, models, formats, limits."""
        return read(await self._http.get("/audio/capabilities", self._clock(deadline)), dict[str, Any])

    async def _submit(
        self, clock: Clock, audio: Audio, name: str, idempotency_key: str | None, options: Options
    ) -> str:
        form = recording_form(audio, options, name=name)
        if form.size is None or form.size > _UNASKED_BYTES:
            await self._check(form, clock)
        return read(await self._send("/audio/tasks", clock, form, idempotency_key), _Submitted).task_id

    async def _check(self, form: Form, clock: Clock) -> None:
        """Ask before a long upload: who is refused in its middle may never see the answer, for HTTP/1.1 has none before
        all is sent. Raises `MeshRefused`."""
        most = read(await self._http.get("/audio/capabilities", clock), _Capabilities).limits.upload_bytes
        if form.size and form.size > most:
            detail = f"The recording is too large. At most {most:,} bytes are taken."
            raise MeshRefused(413, "too_large", detail, field="audio")

    async def _send(self, path: str, clock: Clock, form: Form, idempotency_key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return await self._http.post(path, clock, form=form, headers=headers)

    def _clock(self, deadline: float | None) -> Clock:
        return Clock(patience=self._patience, deadline=deadline)

    def _stream(self, task_id: str, clock: Clock, *, after: str = "") -> AsyncGenerator[Update]:
        return Stream(self._http, f"{_path(task_id)}/events", clock, task_ids=[task_id], after=after).updates()


class _Limits(Message, frozen=True):
    upload_bytes: int


class _Capabilities(Message, frozen=True):
    limits: _Limits


class _Submitted(Message, frozen=True):
    task_id: str


class _Page(Message, frozen=True):
    tasks: tuple[TaskState, ...]
    next_cursor: str | None = None


def _path(task_id: str) -> str:
    """The path of the task. Raises `MeshRefused` for what no task is called: it could be another path."""
    if not _TASK_ID.fullmatch(task_id):
        raise MeshRefused(404, "no_such_task", "There is no task by this id.")
    return f"/audio/tasks/{task_id}"
