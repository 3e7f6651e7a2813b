"""The spans of jobs, by the semantic conventions for messaging: one sends a job, each attempt processes it."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager

from shared import keys
from shared.messages import StageName
from shared.tracing._span import Facts, Kind, Span, Tracing


@contextmanager
def sending(tracing: Tracing, task_id: str, stage: StageName) -> Generator[Span]:
    """The job of `stage` is put into its queue in the block."""
    with tracing.span(f"send {keys.queue(stage)}", Kind.PRODUCER, facts=_facts("send", task_id, stage)) as span:
        try:
            yield span
        except Exception as error:
            span.fail(type(error).__name__)  # and no more of it: a message may have text of the task in it
            raise


def processing(
    tracing: Tracing, task_id: str, stage: StageName, *, traceparent: str | None, token: int
) -> AbstractContextManager[Span]:
    """The attempt with that fence token at the job of `stage`, which came with `traceparent`."""
    facts = _facts("process", task_id, stage)
    identity = _identity(task_id, stage, token)
    return tracing.span(
        f"process {keys.queue(stage)}", Kind.CONSUMER, facts=facts, parent=traceparent, identity=identity
    )


def lost(
    tracing: Tracing,
    task_id: str,
    stage: StageName,
    *,
    traceparent: str | None,
    token: int,
    began: float,
    facts: Facts,
) -> None:
    """Tells of an attempt whose worker fell silent, as that would have: what it has told of its work hangs on it."""
    with tracing.span(
        f"process {keys.queue(stage)}",
        Kind.CONSUMER,
        facts={**_facts("process", task_id, stage), **facts},
        parent=traceparent,
        identity=_identity(task_id, stage, token),
        since=began,
    ) as span:
        span.fail("lease_lost")


def _facts(operation: str, task_id: str, stage: StageName) -> Facts:
    return {
        "messaging.system": "arq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": keys.queue(stage),
        "messaging.message.id": keys.job_id(task_id, stage),
        "messaging.message.conversation_id": task_id,
    }


def _identity(task_id: str, stage: StageName, token: int) -> str:
    return f"{keys.job_id(task_id, stage)}/{token}"
