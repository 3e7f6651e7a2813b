"""`MeshClient`: submit recordings, follow their events through whatever happens to the connection, fetch results."""

import ssl
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack
from urllib.parse import quote

from shared.client._clock import Clock
from shared.client._form import Audio, Form, Options, fields_of
from shared.client._http import Http, read
from shared.client._stream import Stream
from shared.client._task import TaskState, Update
from shared.messages import Message


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
        """Raises `ValueError` when `url` is not an address. Connects with the first request."""
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
        """The id of a new task for the recording. Raises `OSError` when it cannot be read.

        `name` is what people see it called; a file's own by default. However often a reply is lost and the submission
        repeated, it makes one task: `idempotency_key` names it, and is made up where none is given.
        """
        return await self._submitted(self._clock(deadline), audio, name, idempotency_key, options)

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
        task_id = await self._submitted(clock, audio, name, idempotency_key, options)
        async with aclosing(self._stream(task_id, clock)) as updates:
            async for update in updates:
                yield update

    async def events(self, task_id: str, *, after: str = "", deadline: float | None = None) -> AsyncGenerator[Update]:
        """Each event of the task once and in order, from its start or from behind the one whose id is `after`, to its
        end, over as many connections as it takes."""
        async with aclosing(self._stream(task_id, self._clock(deadline), after=after)) as updates:
            async for update in updates:
                yield update

    async def task(self, task_id: str, *, deadline: float | None = None) -> TaskState:
        """How the task stands."""
        response = await self._http.get(_path(task_id), self._clock(deadline))
        return read(response, TaskState)

    async def _submitted(
        self, clock: Clock, audio: Audio, name: str, idempotency_key: str | None, options: Options
    ) -> str:
        form = Form(fields_of(options), audio, name=name)
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        response = await self._http.post("/audio/tasks", clock, form=form, headers=headers)
        return read(response, _Submitted).task_id

    def _clock(self, deadline: float | None) -> Clock:
        return Clock(patience=self._patience, deadline=deadline)

    def _stream(self, task_id: str, clock: Clock, *, after: str = "") -> AsyncGenerator[Update]:
        return Stream(self._http, f"{_path(task_id)}/events", clock, after=after).updates()


class _Submitted(Message, frozen=True):
    task_id: str


def _path(task_id: str) -> str:
    return f"/audio/tasks/{quote(task_id, safe='')}"
