"""How a mesh stands at a moment, as its gateway tells it over HTTP: readiness, metrics, capabilities."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, cast

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from shared.client import gateway_url
from shared.errors import MeshUnreachable, SettingsError
from shared.messages import StageName

PATIENCE_SECONDS = 15.0
"""A gateway whose Redis hangs takes ten to say so."""

Metrics = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]
"""By name: the labels and the value of each sample."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """None is what is not known. `leases` are the jobs in hand, `waiting` the others; the one that waits longest has
    waited for `oldest_seconds`."""

    name: StageName
    workers: int | None
    slots: int | None
    waiting: int | None
    leases: int | None
    oldest_seconds: float | None
    engines: Sequence[str]

    @property
    def stuck(self) -> bool:
        """Jobs, and nobody to do them."""
        return bool(self.waiting) and self.workers == 0


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What went through the gateway since the last look at it."""

    tasks_per_minute: float
    events_per_second: float
    refusals_per_minute: float


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`trouble` says why the mesh is not ready, and what endangers tasks. Rates are None where nothing is known to
    compare with: another gateway may have answered before."""

    url: str
    at: datetime
    version: str | None
    ready: bool
    trouble: Sequence[str]
    stages: Sequence[Stage]
    open_streams: int | None
    redis_bytes: int | None
    redis_limit_bytes: int | None
    rates: Rates | None

    @property
    def works(self) -> bool:
        return self.ready and not any(stage.stuck for stage in self.stages)


class Gateway:
    """The gateway at `url`, looked at again and again. A context manager."""

    def __init__(self, url: str, *, api_key: str = "") -> None:
        """Raises `SettingsError` when `url` is not an address."""
        try:
            base = gateway_url(url)
        except ValueError as error:
            raise SettingsError(f"--url: {error}") from error
        self.url = url
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(PATIENCE_SECONDS, connect=5.0),
            trust_env=False,
        )
        self._last: tuple[datetime, Metrics] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def look(self) -> Snapshot:
        """How it stands now. Raises `MeshUnreachable` when nobody answers, or somebody who is no gateway."""
        try:
            paths = ("/health/ready", "/metrics", "/audio/capabilities")
            ready, metrics, known = await asyncio.gather(*map(self._client.get, paths))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise MeshUnreachable(f"The gateway at {self.url} does not answer.") from error
        if not (metrics.is_success and "voxmesh_" in metrics.text) and not known.is_success:
            raise MeshUnreachable(f"What answers at {self.url} is no gateway, or does not show how it stands.")
        now = datetime.now(UTC)
        counted = _metrics(metrics.text if metrics.is_success else "")
        told = _capabilities(known)
        snapshot = Snapshot(
            url=self.url,
            at=now,
            version=told.get("version"),
            ready=ready.is_success,
            trouble=_trouble(ready),
            stages=[_stage(name, counted, told) for name in StageName],
            open_streams=_whole(_sum(counted, "voxmesh_open_streams")),
            redis_bytes=_whole(_sum(counted, "voxmesh_redis_memory_bytes")),
            redis_limit_bytes=_whole(_sum(counted, "voxmesh_redis_memory_limit_bytes")),
            rates=_rates(self._last, (now, counted)),
        )
        self._last = (now, counted)
        return snapshot


def _metrics(text: str) -> Metrics:
    """Nothing where it is something else, a proxy's page for instance."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    except ValueError:
        return {}
    return found


def _sum(metrics: Metrics, name: str, **labels: str) -> float | None:
    """All samples with these labels together; None when there are none, or Redis is away."""
    values = [value for given, value in metrics.get(name, ()) if labels.items() <= given.items()]
    total = sum(values)
    return total if values and not math.isnan(total) else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _capabilities(response: httpx.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any]) if response.is_success else {}
    except msgspec.DecodeError:
        return {}


def _trouble(ready: httpx.Response) -> Sequence[str]:
    if ready.is_success:
        return [line.removeprefix("warning: ") for line in ready.text.splitlines() if line.startswith("warning: ")]
    try:
        return [str(ready.json()["detail"])]
    except (ValueError, KeyError, TypeError):
        return [f"The gateway answers {ready.status_code} when asked whether it is ready."]


def _stage(name: StageName, metrics: Metrics, told: Mapping[str, Any]) -> Stage:
    kinds: Sequence[Mapping[str, Any]] = told.get("stages", {}).get(name, ())
    jobs = _whole(_sum(metrics, "voxmesh_queue_jobs", stage=name))
    leases = _whole(_sum(metrics, "voxmesh_leases", stage=name))
    workers = _whole(_sum(metrics, "voxmesh_workers", stage=name))
    slots = _whole(_sum(metrics, "voxmesh_capacity_jobs", stage=name))
    if told:  # it is newer by up to five seconds
        workers = sum(int(kind.get("workers", 0)) for kind in kinds)
        slots = sum(int(kind.get("concurrency", 0)) for kind in kinds)
    return Stage(
        name=name,
        workers=workers,
        slots=slots,
        waiting=None if jobs is None else max(jobs - (leases or 0), 0),
        leases=leases,
        oldest_seconds=_sum(metrics, "voxmesh_queue_oldest_seconds", stage=name),
        engines=list(dict.fromkeys(_engines(kinds))),
    )


def _engines(kinds: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for kind in kinds:
        parts = [kind, *(cast("Mapping[str, Any]", part) for part in kind.values() if isinstance(part, dict))]
        for part in parts:
            if words := [str(part[field]) for field in ("engine", "model", "device") if part.get(field)]:
                yield " ".join(words)


def _rates(before: tuple[datetime, Metrics] | None, now: tuple[datetime, Metrics]) -> Rates | None:
    """None unless both come from one process."""
    started = _sum(now[1], "process_start_time_seconds")
    if before is None or started is None or started != _sum(before[1], "process_start_time_seconds"):
        return None
    seconds = (now[0] - before[0]).total_seconds()

    def per_second(name: str) -> float:
        grown = (_sum(now[1], name) or 0.0) - (_sum(before[1], name) or 0.0)
        return max(grown, 0.0) / seconds

    return Rates(
        tasks_per_minute=per_second("voxmesh_tasks_submitted_total") * 60,
        events_per_second=per_second("voxmesh_events_sent_total"),
        refusals_per_minute=per_second("voxmesh_requests_refused_total") * 60,
    )
