"""Requests to the gateway: tried again while that can help and is safe, refused in the gateway's own words."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
import msgspec

from shared.client._clock import Clock
from shared.client._form import Form
from shared.client._url import gateway_url
from shared.errors import MeshError, MeshRefused, MeshUnreachable
from shared.messages import Message

T = TypeVar("T")

SILENCE_SECONDS = 35.0
"""A stream says something every 15 s; after two of them and a margin, its connection is dead."""
_REQUEST = httpx.Timeout(20.0, connect=5.0)
_UPLOAD = httpx.Timeout(60.0, connect=5.0, read=300.0)
"""The answer to an upload comes when the recording is stored, in a bucket far away perhaps."""
_STREAM = httpx.Timeout(SILENCE_SECONDS, connect=5.0)

NO_CONTENT = 204
"""How the gateway answers who has had the last event of a task."""
_STREAM_TYPE = "text/event-stream"
_STREAM_HEADERS = {"Accept": _STREAM_TYPE, "Accept-Encoding": "identity"}

_AWAY = (502, 503, 504)
_TOO_MANY = 429
"""Statuses of a gateway, or a proxy before it, that cannot serve now; and of one that will, when it says when."""


class Http:
    """The connections of one client."""

    def __init__(self, url: str, *, api_key: str, verify: ssl.SSLContext | bool) -> None:
        base = gateway_url(url)
        if not (api_key.isascii() and api_key.isprintable()):  # a line end; the error of httpx would tell the key
            raise ValueError("api_key has characters that no API key has")
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,  # what is in the cluster is not behind anybody's proxy
            verify=verify,
        )

    async def close(self) -> None:
        """Close all connections; streams on them end."""
        await self._client.aclose()

    async def get(self, path: str, clock: Clock, *, params: Mapping[str, str] | None = None) -> httpx.Response:
        """The answer to a GET."""
        return await self._persist(
            clock, lambda: self._client.build_request("GET", path, params=params, timeout=_REQUEST)
        )

    async def delete(self, path: str, clock: Clock) -> httpx.Response:
        """The answer to a DELETE."""
        return await self._persist(clock, lambda: self._client.build_request("DELETE", path, timeout=_REQUEST))

    async def post(self, path: str, clock: Clock, *, form: Form, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to a form. Raises what stands in the way of sending the form once more, where that cannot be
        done."""
        sent = {**headers, **form.headers}
        return await self._persist(
            clock,
            lambda: self._client.build_request("POST", path, content=form.body(), headers=sent, timeout=_UPLOAD),
            repeatable=lambda: form.repeatable,
        )

    @asynccontextmanager
    async def stream(self, path: str, clock: Clock, *, headers: Mapping[str, str]) -> AsyncGenerator[httpx.Response]:
        """A stream of events, or 204. One attempt: raises `MeshUnreachable`, or `MeshRefused`."""
        request = self._client.build_request("GET", path, headers={**_STREAM_HEADERS, **headers}, timeout=_STREAM)
        async with self._opened(request, clock) as response:
            if response.status_code != NO_CONTENT and not _is_stream(response):
                raise _no_gateway()
            yield response

    async def _persist(
        self, clock: Clock, build: Callable[[], httpx.Request], *, repeatable: Callable[[], bool] = lambda: True
    ) -> httpx.Response:
        while True:
            try:
                async with self._opened(build(), clock) as response:
                    await _body(response, clock)
                    return response
            except (MeshRefused, MeshUnreachable) as error:
                if not (passing(error) and repeatable()):
                    raise
                failure = error
            await clock.pause(failure, at_least=pause_of(failure))

    @asynccontextmanager
    async def _opened(self, request: httpx.Request, clock: Clock) -> AsyncGenerator[httpx.Response]:
        """The answer, its body still to come. Raises `MeshRefused` when it is a refusal."""
        try:
            async with clock.running():
                response = await self._client.send(request, stream=True)
        except httpx.LocalProtocolError as error:
            raise ValueError(f"This cannot be sent in the head of a request: {error}") from error
        except httpx.TransportError as error:
            raise MeshUnreachable(f"The gateway at {self._client.base_url} does not answer.") from error
        try:
            if not response.is_success:
                await _body(response, clock)
                raise _refusal(response)
            yield response
        finally:
            await response.aclose()


def _is_stream(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith(_STREAM_TYPE)


def passing(failure: MeshError) -> bool:
    """Whether another attempt may go better."""
    match failure:
        case MeshRefused(status=status, retry_after=retry_after):
            return status in _AWAY or (status == _TOO_MANY and retry_after is not None)
        case _:
            return isinstance(failure, MeshUnreachable)


async def chunks(response: httpx.Response, clock: Clock) -> AsyncGenerator[bytes]:
    """What a stream brings, as it comes. Raises `MeshUnreachable` when it breaks off or falls silent."""
    pieces = response.aiter_bytes()
    while True:
        try:
            async with clock.running():
                piece = await anext(pieces, b"")
        except httpx.TransportError as error:
            raise MeshUnreachable("The stream from the gateway has broken off.") from error
        if not piece:
            return
        yield piece


async def _body(response: httpx.Response, clock: Clock) -> None:
    try:
        async with clock.running():
            await response.aread()
    except httpx.TransportError as error:
        raise MeshUnreachable("The answer of the gateway has broken off.") from error
    except httpx.DecodingError as error:
        raise _no_gateway() from error


def read(response: httpx.Response, kind: type[T]) -> T:
    """The answer as what it should be. Raises `MeshError` (`not_understood`) when it is something else."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        raise _no_gateway() from error


def _no_gateway() -> MeshError:
    return MeshError("not_understood", "The answer is not one of a gateway. Is the address right?")


class _Problem(Message, frozen=True):
    """A refusal as the gateway words it, as far as this client reads it."""

    code: str = "refused"
    detail: str = ""
    field: str | None = None


_decode_problem = msgspec.json.Decoder(_Problem).decode


def _refusal(response: httpx.Response) -> MeshRefused:
    try:
        problem = _decode_problem(response.content)
    except msgspec.DecodeError:  # from somebody before the gateway
        problem = _Problem()
    wait = response.headers.get("Retry-After", "")
    return MeshRefused(
        response.status_code,
        problem.code,
        problem.detail or f"The gateway answers {response.status_code}.",
        field=problem.field,
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def pause_of(failure: MeshError) -> float:
    """After how many seconds, by the gateway's own words, another attempt may go better; 0 when it does not say."""
    return failure.retry_after or 0.0 if isinstance(failure, MeshRefused) else 0.0
