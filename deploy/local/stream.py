"""A client of the mesh: submits a recording and follows its events, over as many connections as it takes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from shared import codec
from shared.errors import MeshError
from shared.messages import Event, Message

GIVE_UP_SECONDS = 60.0
"""How long the gateway may be out of reach before the stream is given up."""
_PAUSE_SECONDS = 0.5
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)  # a stream is never silent for longer than the 15 s between pings


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to submit, and what to ask for."""

    file: Path
    language: str = ""
    target_language: str = ""
    translation: bool = True
    insights: bool = True


class Line(msgspec.Struct, frozen=True):
    """One event: its JSON as it came, and what it means."""

    data: str
    event: Event


def open_client(url: str) -> httpx.AsyncClient:
    """A client for the gateway at `url`."""
    return httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False)


async def submit(http: httpx.AsyncClient, order: Order) -> str:
    """The id of the new task. Raises `MeshError` with the gateway's own words when it refuses."""
    form = {
        "language": order.language,
        "target_language": order.target_language if order.translation else "",
        "include_translation": str(order.translation).lower(),
        "include_insights": str(order.insights).lower(),
    }
    with order.file.open("rb") as audio:
        try:
            response = await http.post(
                "/audio/tasks", data=form, files={"audio": (order.file.name, audio)}, timeout=None
            )
        except httpx.TransportError as error:
            raise _unreachable(http) from error
    return _read(response).task_id


async def follow(http: httpx.AsyncClient, task_id: str) -> AsyncIterator[Line]:
    """Each event of the task, once and in order, to its end. Raises `MeshError` when the gateway stays away."""
    position = ""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        with suppress(httpx.TransportError, _Busy):
            async for event_id, data in _events(http, task_id, position):
                position = event_id
                deadline = time.monotonic() + GIVE_UP_SECONDS
                line = Line(data, codec.decode_event(data))
                yield line
                if line.event.step.terminal:
                    return
        if time.monotonic() > deadline:
            raise _unreachable(http)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _events(http: httpx.AsyncClient, task_id: str, last_id: str) -> AsyncIterator[tuple[str, str]]:
    """The events behind `last_id` that one connection brings, as id and data."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    path = "/audio/process-stream-realtime"
    async with http.stream("GET", path, params={"task_id": task_id}, headers=headers) as response:
        if response.status_code >= 500:
            raise _Busy
        if response.is_error:
            await response.aread()
            _read(response)
        data: list[str] = []
        async for line in response.aiter_lines():
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                last_id = value
            elif field == "data":
                data.append(value)
            elif not line and data:
                yield last_id, "\n".join(data)
                data = []


class _Busy(Exception):
    """The gateway is there and cannot serve at the moment."""


class _Answer(Message, frozen=True):
    """What the answers of the gateway have in common, as far as this client reads them."""

    task_id: str = ""
    code: str = "refused"
    detail: str = ""


def _read(response: httpx.Response) -> _Answer:
    """The answer; raises `MeshError` with its own words when it is a refusal."""
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError:
        answer = _Answer()
    if not response.is_success:
        raise MeshError(answer.code, answer.detail or f"the gateway answers {response.status_code}")
    return answer


def _unreachable(http: httpx.AsyncClient) -> MeshError:
    return MeshError("unreachable", f"the gateway at {http.base_url} does not answer")
