"""One trace for each task, through the gateway, the queue and the stages, by OpenTelemetry's rules and names.

The `traceparent` of the request that submits a task goes into its job, and from each attempt into the job of the stage
behind; so spans made in five processes hang together, whichever worker goes on behind a dead one. Off, which is the
default, nothing of OpenTelemetry is imported, no span is made, and what a client has sent is handed on as it came: logs
carry its trace id all the same.

No text of a task and no name of a file is ever in a span, and of an address that a client has named its host alone.
"""

from shared.tracing._context import trace_id_of, traceparent_of
from shared.tracing._exporter import tracing_of
from shared.tracing._jobs import lost, processing, sending
from shared.tracing._span import OFF, Kind, Span, Tracing, current

__all__ = [
    "OFF",
    "Kind",
    "Span",
    "Tracing",
    "current",
    "lost",
    "processing",
    "sending",
    "trace_id_of",
    "traceparent_of",
    "tracing_of",
]
