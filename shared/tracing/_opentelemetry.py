"""Spans by OpenTelemetry's SDK: a thread of its own sends them in batches, and throws away what it cannot keep up with.

The only file that imports OpenTelemetry, and only a process that has an exporter imports it.
"""

import asyncio
import hashlib
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from shared.tracing._span import Facts, Kind, Span, current, working_for

FLUSH_SECONDS = 2.0
"""How long the end of a process may wait for a collector: within every grace period."""
_KINDS = {
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class _Ids(RandomIdGenerator):
    """Random ids, but for a span that has an identity. Spans start on the event loop alone: one at a time."""

    def __init__(self) -> None:
        self._identity = ""

    @contextmanager
    def of(self, identity: str) -> Generator[None]:
        """Spans that start in the block have it."""
        self._identity = identity
        try:
            yield
        finally:
            self._identity = ""

    def generate_span_id(self) -> int:
        if not self._identity:
            return super().generate_span_id()
        return int.from_bytes(hashlib.sha256(self._identity.encode()).digest()[:8]) or 1


class _Told:
    """A span of the SDK."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._forgotten = False

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def tell(self, facts: Facts) -> None:
        self._span.set_attributes(facts)

    def happened(self, name: str) -> None:
        self._span.add_event(name)

    def fail(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)

    def forget(self) -> None:
        self._forgotten = True

    def end(self) -> None:
        if not self._forgotten:
            self._span.end()


class Recorder:
    """`Tracing` with an exporter."""

    def __init__(self, service: str, headers: str = "", signer: str | None = None) -> None:
        """`headers` are `name=value,…` in place of those in the environment; `signer` is the file with who signs the
        collector's certificate. Connects to nothing. Raises `ValueError` for a variable of the SDK's that cannot be."""
        self._ids = _Ids()
        self._provider = TracerProvider(resource=_resource(service), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(headers=parse_env_headers(headers, liberal=True), certificate_file=signer)
            )
        )
        self._tracer = self._provider.get_tracer("voxmesh", version("voxmesh"))

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind,
        *,
        facts: Facts | None = None,
        parent: str | None = None,
        identity: str = "",
        since: float | None = None,
    ) -> Generator[Span]:
        within = parent or current().traceparent
        with self._ids.of(identity):
            span = self._tracer.start_span(
                name,
                context=trace.set_span_in_context(_remote(within)) if within else None,
                kind=_KINDS[kind],
                attributes=facts,
                start_time=None if since is None else int(since * 1e9),
            )
        told = _Told(span)
        try:
            with working_for(told):
                yield told
        finally:
            told.end()

    async def aclose(self) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # A daemon: a collector that does not answer must not keep the process from its end.
        threading.Thread(target=send, name="traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await done.wait()


def _remote(parent: str) -> trace.Span:
    _, trace_id, span_id, flags = parent.split("-")
    return NonRecordingSpan(
        SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    )


def _resource(service: str) -> Resource:
    """What the environment calls the process goes over what it is called here."""
    ours = {
        "service.name": f"voxmesh-{service}",
        "service.version": version("voxmesh"),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return Resource.create().merge(Resource(ours)).merge(OTELResourceDetector().detect())
