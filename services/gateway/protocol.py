"""The server's side of HTTP: uvicorn's, with bounds where it has none.

A head may be so large and may take so long, or it is refused as a problem like any other. A body that nobody wants is
not read to its end: once the request is answered, some of it is passed over, so that the client sees the answer, and
then the connection ends.
"""

import asyncio
from http import HTTPStatus
from typing import NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from services.gateway.problems import ProblemBody
from shared import codec, metrics

ADDRESS_BYTES = 16 << 10
"""An address with a hundred task ids and their tokens fits."""
HEAD_BYTES = 64 << 10
HEAD_SECONDS = 30.0
LINGER_BYTES = 1 << 30
LINGER_SECONDS = 30.0
"""For so much and so long the rest of an unwanted body is passed over: many clients look at the answer only when they
have sent all, and lose it if they cannot. The time is nginx's (`lingering_time`)."""


class _Refusal(NamedTuple):
    status: HTTPStatus
    code: str
    detail: str


_MALFORMED = _Refusal(HTTPStatus.BAD_REQUEST, code="bad_request", detail="This is not HTTP/1.1 as it should be.")
_ADDRESS = _Refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG,
    code="address_too_long",
    detail=f"The address is too long. At most {ADDRESS_BYTES:,} bytes are taken.",
)
_HEAD = _Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    code="headers_too_large",
    detail=f"The headers are too large. At most {HEAD_BYTES:,} bytes are taken.",
)
_SLOW = _Refusal(
    HTTPStatus.REQUEST_TIMEOUT, code="head_timeout", detail="The request did not come to its point in time."
)


class _TooMuch(Exception):
    """Ends the parser's work; what is too much stands in `_refusal`."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _refusal = _MALFORMED
    _head_open = False
    _head_bytes = 0
    _arrived = 0
    """What has come since the last message ended. The parser hands a head over by whole lines only."""
    _passed_over = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # Whoever connects and says nothing is dropped like one who has said all.
        self.timeout_keep_alive_task = self._after_silence()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arrived += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._passed_over > LINGER_BYTES:  # and goes on: behind the end of a body may be the next request
            self.transport.close()
        if not self._head_open:
            return
        if self._arrived > HEAD_BYTES:
            self._refuse(_HEAD)
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, _SLOW)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > ADDRESS_BYTES:
            self._refusal = _ADDRESS
            raise _TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > HEAD_BYTES:
            self._refusal = _HEAD
            raise _TooMuch
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._passed_over += len(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arrived = self._passed_over = 0
        self._stop_timer()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self._after_silence()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and self._timer is None:
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours say more
        self._refuse(self._refusal)

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer, unless another answer is on its way, and end the connection."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            metrics.REQUESTS_REFUSED.labels(refusal.code).inc()
            self.transport.write(_written(refusal))
        self.transport.close()

    def _after_silence(self) -> asyncio.TimerHandle:
        """Ends the connection when no request comes."""
        return self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _written(refusal: _Refusal) -> bytes:
    """The whole answer."""
    body = codec.encode_json(
        ProblemBody(
            title=refusal.status.phrase,
            status=refusal.status,
            detail=refusal.detail,
            code=refusal.code,
            instance="",
        )
    )
    head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
    head += "cache-control: no-store\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + head.encode() + body
