"""Refusals in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`, with the codes of all refusals."""

from typing import Any

from litestar import Request, Response

from services.gateway.problems import Problem, refused, status_of, unavailable
from shared import codec
from shared.messages import Failure, Message, State

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""By status; other refusals are the request's fault or the server's."""


class ApiError(Message, frozen=True, omit_defaults=False):
    """`param` is the field at fault."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Message, frozen=True):
    """What OpenAI's clients read as an error, as an answer and as an event of a stream."""

    error: ApiError


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The response for any exception that leaves a handler of this API."""
    problem = refused(request, error)
    headers = problem.headers | {"Cache-Control": "no-store"}
    if problem.code == "key_unknown":
        problem = Problem(401, "invalid_api_key", problem.detail)
    if problem.status == 409:
        headers["x-should-retry"] = "false"  # OpenAI's clients take 409 for a lock that is soon free
    body = codec.encode_json(body_of(problem))
    return Response(body, status_code=problem.status, media_type="application/json", headers=headers)


def body_of(problem: Problem) -> ErrorBody:
    """The problem in OpenAI's shape."""
    status = problem.status
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return ErrorBody(error=ApiError(message=problem.detail, type=kind, param=problem.field, code=problem.code))


def without_result(state: State, failure: Failure | None) -> Problem:
    """Why a task that has ended has nothing to answer with. When another attempt may go better, it is one that clients
    make by themselves."""
    if state is State.CANCELLED or failure is None:
        return Problem(409, "task_without_result", f"The task has ended without a result: it is {state}.")
    if failure.retryable or state is State.EXPIRED:
        return unavailable(failure.message, code=failure.code)
    return Problem(status_of(failure.code), failure.code, failure.message)


def named_as_here(problem: Problem, names: dict[str, str]) -> Problem:
    """The problem, with fields called as in this API."""
    field = problem.field
    if field not in names:
        return problem
    detail = problem.detail.replace(f"'{field}'", f"'{names[field]}'")
    return Problem(problem.status, problem.code, detail, field=names[field], offered=problem.offered)
