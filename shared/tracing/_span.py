"""What the rest of the code knows of spans, and the spans of a process that makes none."""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

Facts = Mapping[str, str | int | float | bool]
"""Attributes of a span."""


class Kind(StrEnum):
    """The part that a process has in what the span stands for."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """Something that takes time."""

    @property
    def traceparent(self) -> str | None:
        """What goes with a message or a request that follows from this; None where there is no trace."""
        ...

    def tell(self, facts: Facts) -> None:
        """Add attributes."""
        ...

    def happened(self, name: str) -> None:
        """Note that something happened just now."""
        ...

    def fail(self, code: str) -> None:
        """It went wrong; `code` has few values."""
        ...

    def forget(self) -> None:
        """It is never told: somebody else does."""
        ...


class Tracing(Protocol):
    """Where spans come from and go to. It slows down nothing, and whatever befalls it befalls nothing else."""

    def span(
        self,
        name: str,
        kind: Kind,
        *,
        facts: Facts | None = None,
        parent: str | None = None,
        identity: str = "",
        since: float | None = None,
    ) -> AbstractContextManager[Span]:
        """A span for the time of the block, and `current` in it.

        `parent` is a traceparent; without one it is that of the current span. `identity` makes the same text the same
        span, whichever process tells it. `since` is when it began (seconds since 1970), if not now."""
        ...

    async def aclose(self) -> None:
        """Send what has been told so far, waiting no longer than a moment."""
        ...


class _Unseen:
    """A span of which nothing is kept but where it belongs."""

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent

    def tell(self, facts: Facts) -> None:
        """Nothing is kept."""

    def happened(self, name: str) -> None:
        """Nothing is kept."""

    def fail(self, code: str) -> None:
        """Nothing is kept."""

    def forget(self) -> None:
        """Nothing is kept."""


_NONE: Span = _Unseen(None)
_current: ContextVar[Span] = ContextVar("span", default=_NONE)


def current() -> Span:
    """The span that this coroutine works for."""
    return _current.get()


@contextmanager
def working_for(span: Span) -> Generator[Span]:
    """Makes `span` the current one for the time of the block."""
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)


class _Off:
    """Makes no spans: whoever goes on in the block does so where its caller was."""

    def span(
        self,
        name: str,  # noqa: ARG002 - as all that is told of spans here
        kind: Kind,  # noqa: ARG002
        *,
        facts: Facts | None = None,  # noqa: ARG002
        parent: str | None = None,
        identity: str = "",  # noqa: ARG002
        since: float | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        return working_for(_Unseen(parent) if parent else current())

    async def aclose(self) -> None:
        """There is nothing to send."""


OFF: Tracing = _Off()
