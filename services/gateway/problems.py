"""Refusals: every error leaves as `application/problem+json` (RFC 9457) with a stable `code`, and nothing internal.

This is the one place where exceptions become HTTP.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from redis.exceptions import ConnectionError, TimeoutError

from services.gateway.head import with_head
from shared import metrics
from shared.errors import Permanent, Retryable
from shared.messages import Failure

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5
"""When a client is told to try again."""

_WORDS = {"`int`": "a whole number"}
_LONGEST_NAME = 100
"""Characters of a name that are compared with others: the time that takes grows with their square."""
_PERMANENT = {"unsupported_media": 415, "too_long": 413}
"""Status of what is the recording's fault by its code; 422 otherwise."""


class Problem(Exception):
    """A refusal. `detail` is for a person and says what to do; `field` names the field at fault, `offered` is what it
    could be instead, and `failure` is why a task ended that has no result."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        offered: Sequence[str] = (),
        headers: dict[str, str] | None = None,
        failure: Failure | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.offered = tuple(offered)
        self.headers = headers or {}
        self.failure = failure


class Disconnected(Problem):
    """The client went away before its request was complete. Nobody is left to read the answer."""

    def __init__(self) -> None:
        super().__init__(400, "disconnected", "The request was not complete.")


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a request that was refused. `offered` is there when the choice is among few things."""

    title: str
    status: int
    detail: str
    code: str
    instance: str
    field: str | None = None
    offered: tuple[str, ...] = ()
    error: Failure | None = None
    type: str = msgspec.field(default_factory=lambda: "about:blank")


def unavailable(detail: str, *, code: str = "unavailable") -> Problem:
    """A 503 that says when to come back."""
    return Problem(503, code, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of `known` that whoever wrote `name` has probably meant; empty when it is like none of them."""
    plain = name[:_LONGEST_NAME].strip().lower().replace("-", "_")
    return next(iter(get_close_matches(plain, sorted(known), n=1)), "")


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemBody]:
    """The response for any exception that leaves a handler."""
    problem = refused(request, error)
    body = ProblemBody(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        instance=request.url.path,
        field=problem.field,
        offered=problem.offered,
        error=problem.failure,
    )
    return Response(
        body,
        status_code=problem.status,
        media_type="application/problem+json",
        headers=problem.headers | {"Cache-Control": "no-store"},
    )


def refused(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """What `error` is to the client; it is counted and stands in the log."""
    problem = problem_of(error)
    metrics.REQUESTS_REFUSED.labels(problem.code).inc()
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", path=request.url.path, exc_info=error)
    elif isinstance(error, Disconnected):
        log.info("request_abandoned", path=request.url.path)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("request_unavailable", path=request.url.path, error=repr(error.__cause__ or error))
    return problem


def status_of(code: str) -> int:
    """The status for what is the recording's fault, by its code."""
    return _PERMANENT.get(code, 422)


def problem_of(error: Exception) -> Problem:
    """What an error is to a client."""
    match error:
        case Problem():
            return error
        case Permanent():
            return Problem(status_of(error.code), error.code, error.message)
        case Retryable():
            return unavailable(error.message, code=error.code)
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _framework(error)
        case ConnectionError() | TimeoutError():
            return unavailable("The service cannot take requests at the moment. Please try again shortly.")
        case _:
            return Problem(500, "internal", "Something went wrong on our side. The log of the gateway has the cause.")


def _framework(error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return Problem(404, "no_such_path", "There is nothing at this path. /schema lists what there is.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            takes = headers["allow"] = ", ".join(sorted(with_head(headers.get("allow", "").split(", "))))
            return Problem(405, "method_not_allowed", f"This path takes {takes} and nothing else.", headers=headers)
        case status:
            name, reason = _parameter(error)
            subject = f"The parameter '{name}'" if name else "The request"
            detail = f"{subject} is not as it should be{reason}. /schema describes it."
            return Problem(status, "bad_request", detail, field=name)


def _parameter(error: HTTPException) -> tuple[str | None, str]:
    """The name of the parameter that the framework finds at fault, and what it should be."""
    match error.extra:
        case [{"key": str(name), "message": str(reason)}, *_]:
            expected, _, _ = reason.removeprefix("Expected ").partition(", got")
            return name, f": it must be {_WORDS.get(expected, expected.replace('`int`', 'a whole number'))}"
        case [{"key": str(name)}, *_]:
            return name, ""
        case _:
            return None, ""
