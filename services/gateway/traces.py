"""The spans of a gateway: a submission, from its request to its task, and the delivery of a webhook."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import structlog
from litestar import Request

from services.gateway.problems import problem_of
from shared.messages import WebhookAttempt
from shared.tracing import Kind, Span, Tracing, trace_id_of, traceparent_of

_FAILED = 500


@contextmanager
def submission(tracing: Tracing, request: Request[Any, Any, Any]) -> Generator[None]:
    """What happens in the block belongs to the trace that the client has begun, or to a new one, and so do its lines of
    log. The span ends with the block: what is streamed afterwards is the stages' work, not the request's."""
    path = request.url.path
    facts = {"http.request.method": request.method, "http.route": path, "url.path": path}
    facts["url.scheme"] = request.url.scheme
    name, parent = f"{request.method} {path}", traceparent_of(request.headers.get("traceparent"))
    with (
        tracing.span(name, Kind.SERVER, facts=facts, parent=parent) as span,
        logged(span.traceparent),
    ):
        try:
            yield
        except Exception as error:
            problem = problem_of(error)
            span.tell({"http.response.status_code": problem.status, "voxmesh.code": problem.code})
            if problem.status >= _FAILED:
                span.fail(problem.code)
            raise
        span.tell({"http.response.status_code": request.route_handler.status_code})


@contextmanager
def delivery(tracing: Tracing, *, traceparent: str | None, number: int) -> Generator[Span]:
    """Attempt `number` to deliver the webhook of a task that was submitted under `traceparent`."""
    facts = {"http.request.method": "POST"} | ({"http.request.resend_count": number - 1} if number > 1 else {})
    with tracing.span("POST", Kind.CLIENT, facts=facts, parent=traceparent) as span:
        yield span


def tell_of(attempt: WebhookAttempt, span: Span) -> None:
    """What has become of the delivery."""
    if attempt.status is not None:
        span.tell({"http.response.status_code": attempt.status})
    if attempt.error is not None:
        span.fail(attempt.error)


@contextmanager
def logged(traceparent: str | None) -> Generator[None]:
    """Lines of log that are written in the block have the trace's id."""
    trace_id = trace_id_of(traceparent)
    with structlog.contextvars.bound_contextvars(**({"trace_id": trace_id} if trace_id else {})):
        yield
