"""A collector of OpenTelemetry: takes spans over HTTP, as protobuf, and keeps them."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


class Seen(NamedTuple):
    """A span that has come. Ids are in hexadecimal; `parent` is empty for the first of a trace."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    facts: Mapping[str, Any]
    seconds: float
    failed: bool
    happened: tuple[str, ...]


class Collector:
    """What has come, and where the collector is."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        self.url = ""

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process reads that is to send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50", "NO_PROXY": "127.0.0.1"}

    def of(self, name: str) -> list[Seen]:
        """Those of that name, in the order in which they came."""
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        """Keep what an exporter has sent."""
        self.bodies.append(body)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _facts(each.resource.attributes)["service.name"]
            for scope in each.scope_spans:
                self.spans += [_seen(service, span) for span in scope.spans]


def _seen(service: str, span: Span) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        facts=_facts(span.attributes),
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        happened=tuple(event.name for event in span.events),
    )


def _facts(pairs: Any) -> dict[str, Any]:
    given: list[KeyValue] = list(pairs)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in given}


@contextmanager
def collecting() -> Generator[Collector]:
    """A collector on a free port of loopback, until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            collector.keys.append(self.headers["X-Key"])
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """The test's output is not for this."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield collector
        server.shutdown()
        thread.join()
