"""Probes and metrics."""

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.gateway.access import OPEN
from services.gateway.openapi import refusals
from services.gateway.problems import unavailable
from services.gateway.runtime import Injected
from shared.redis import ask_for_life

_METRICS_TYPE = CONTENT_TYPE_LATEST.partition("; charset")[0]  # Litestar adds the charset


@get("/health/live", opt=OPEN, media_type="text/plain", summary="Whether the process turns", tags=["operations"])
async def live() -> str:
    """Answers as long as the event loop does. Whether Redis is there makes no difference: a restart would not help."""
    return "live\n"


@get(
    "/health/ready",
    opt=OPEN,
    media_type="text/plain",
    summary="Whether requests can be taken",
    responses=refusals(503),
    tags=["operations"],
)
async def ready(runtime: Injected) -> str:
    """Answers 200 when Redis answers and the hub's connection stands. A line `warning: redis: …` says what could lose
    tasks, such as an eviction policy, and what to do."""
    await ask_for_life(runtime.redis)
    if not runtime.hub.connected:
        raise unavailable("Events cannot be received at the moment.", code="hub_disconnected")
    return "ready\n" + runtime.fitness.text()


@get(
    "/metrics",
    media_type="text/plain",
    opt=OPEN,
    summary="Metrics in Prometheus' text format",
    tags=["operations"],
)
async def metrics() -> Response[bytes]:
    """What this process counts."""
    return Response(generate_latest(), media_type=_METRICS_TYPE)
