"""A mesh of real processes, a crowd that uses it, and what befalls them."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from shared import keys
from shared.client import MeshClient
from shared.mesh import Mesh
from shared.messages import StageName
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.chaos import verdict
from tests.chaos.crowd import Crowd, Plan, Seen, plans
from tests.chaos.fleet import Fleet
from tests.chaos.misfortunes import KINDS as MISFORTUNES
from tests.chaos.misfortunes import Misfortunes
from tests.chaos.recoveries import Recoveries
from tests.chaos.trials import Trial
from tests.chaos.verdict import Peace
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.relay import Relay, relayed

RECOVERY_SECONDS = 15.0
_SETTLING_SECONDS = 30.0


class Row(msgspec.Struct, kw_only=True):
    """What one ordeal was like. `faults` is empty when all was well."""

    seed: int
    tasks: int
    struck: Mapping[str, int]
    attempts: int
    refused_by_id: int
    refused_by_fence: int
    resumed: int
    recovery_seconds: float
    seconds: float
    faults: list[str]


class Parts(NamedTuple):
    """What a mesh is made of, as far as it can suffer, and the folder in which it lives."""

    server: RedisServer
    cable: Relay
    door: Relay
    fleet: Fleet
    folder: Path


class Ordeal:
    """The mesh. It can be put through any number of ordeals. `redis` is a connection that cannot be cut off."""

    def __init__(self, trial: Trial, parts: Parts, redis: Redis) -> None:
        self.seen: list[Seen] = []
        """By all who ever used it."""
        self._trial = trial
        self._parts = parts
        self._redis = redis
        self._peace = Peace()

    async def learn(self, crowd: Crowd) -> None:
        """See what tasks of each kind are like in peace."""
        for seen in await crowd.come([Plan(kind) for kind in self._trial.kinds], seconds=1):
            assert not seen.error, seen.error
            await self._peace.learn(self._redis, seen)
            self.seen.append(seen)

    async def suffer(self, crowd: Crowd, *, seed: int, tasks: int, rounds: int) -> Row:
        """`tasks` users come while `MISFORTUNES * rounds` misfortunes happen, all chosen by `seed`."""
        start, fate = time.monotonic(), random.Random(seed)
        before, resumed = self._counted(), self._parts.door.marked
        recoveries = Recoveries(self._redis, self._parts.cable.clock)
        parts, tempo = self._parts, self._trial.tempo
        misfortunes = Misfortunes(parts.fleet, parts.server, parts.cable, recoveries, fate=fate, tempo=tempo)
        async with asyncio.TaskGroup() as group:
            group.create_task(misfortunes.strike(rounds), name="misfortunes")
            people = plans(self._trial.kinds, tasks, random.Random(seed))
            duration = tempo.mean_pause * MISFORTUNES * rounds
            coming = group.create_task(crowd.come(people, seconds=duration), name="crowd")
        self.seen += coming.result()
        faults = [fault for seen in coming.result() for fault in await self._peace.faults(self._redis, seen)]
        faults += await self._left_behind()
        longest = max(recoveries.seconds, default=0.0)
        if longest > RECOVERY_SECONDS:
            faults.append(f"work lay for {longest:.1f} s")
        after = self._counted()
        attempts, by_id, by_fence = (round(after[name] - before[name]) for name in _COUNTERS)
        return Row(
            seed=seed,
            tasks=tasks,
            struck=misfortunes.happened,
            attempts=attempts,
            refused_by_id=by_id,
            refused_by_fence=by_fence,
            resumed=self._parts.door.marked - resumed,
            recovery_seconds=longest,
            seconds=time.monotonic() - start,
            faults=faults,
        )

    async def _left_behind(self) -> list[str]:
        """What should not be there any more, or not yet."""
        blobs, spool = self._parts.folder / "blobs", self._parts.folder / "blobs-spool"
        verdict.grow_old(blobs)
        await _in_time(lambda: self._parts.fleet.stopped() and not verdict.left(blobs, spool))
        await _in_time(self._idle)
        faults = [*verdict.left(blobs, spool), *self._parts.fleet.faults()]
        faults += [] if await self._idle() else ["there are jobs, or watched tasks, without anybody who uses them"]
        faults += await asyncio.to_thread(verdict.twins, self._parts.server, self.seen)
        return faults + await asyncio.to_thread(verdict.lasting, self._parts.server)

    async def _idle(self) -> bool:
        places = [keys.WATCH, *(keys.queue(stage) for stage in StageName)]
        return not any([await self._redis.zcard(place) for place in places])

    def _counted(self) -> dict[str, float]:
        """The counters of all workers that ever were: they keep them in files, which outlive them."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._parts.folder / "metrics"))
        totals: dict[str, float] = dict.fromkeys(_COUNTERS, 0.0)
        for sample in (sample for metric in registry.collect() for sample in metric.samples):
            if sample.name in totals:
                totals[sample.name] += sample.value
        return totals


_COUNTERS = ("voxmesh_queue_seconds_count", "voxmesh_records_refused_total", "voxmesh_attempts_superseded_total")
"""Attempts that have begun, records that were refused by their number, attempts that were refused by their token."""


async def _in_time(settled: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Returns when it has settled, or when it has had time enough to."""
    with suppress(pytest.fail.Exception):
        await wait_until(settled, description="all has settled", seconds=_SETTLING_SECONDS)


@asynccontextmanager
async def mesh_in_peace(folder: Path, trial: Trial) -> AsyncGenerator[tuple[Ordeal, Crowd]]:
    """A mesh that is ready, and those who use it."""
    (folder / "metrics").mkdir()
    server = RedisServer(folder, port=free_port(), appendonly=True)
    server.start()
    direct = BaseSettings(redis_url=server.url, blob_url=f"file://{folder}/blobs")
    environ = {
        **trial.environ,
        "LEASE_SECONDS": str(trial.tempo.lease_seconds),
        "MAX_ATTEMPTS": "99",  # the deaths are not the tasks' fault
        "LOG_LEVEL": "error",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    try:
        async with relayed(server.port) as cable, connected(direct, name="chaos") as redis:
            settings = msgspec.structs.replace(direct, redis_url=f"redis://127.0.0.1:{cable.port}/0")
            with Fleet(settings, environ, per_stage=trial.per_stage, real=trial.real) as fleet:
                async with (
                    relayed(*fleet.ports, mark=b"Last-Event-ID:") as door,
                    MeshClient(f"http://127.0.0.1:{door.port}") as client,
                    Mesh(settings) as mesh,
                ):
                    ordeal = Ordeal(trial, Parts(server, cable, door, fleet, folder), redis)

                    async def complete() -> bool:
                        return await redis.zcard(keys.WORKERS) == fleet.size

                    await wait_until(complete, description="all workers are there", seconds=240)
                    crowd = Crowd(client, mesh, trial.recordings, patience_seconds=trial.patience_seconds)
                    await ordeal.learn(crowd)
                    yield ordeal, crowd
    finally:
        server.stop()
