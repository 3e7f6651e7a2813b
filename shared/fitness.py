"""Whether the Redis that answers is one to which tasks can be entrusted.

It may be too old, throw keys away when it is full (tasks and leases have TTLs, so the `volatile-` policies do so, too),
or forget everything when it restarts. Nothing of this stops a mesh: it is said in the log, in the text of readiness, in
the metrics and by `voxmesh doctor`. One thing does: a cluster, where no script could reach the keys of two tasks.
All is read from INFO, which is allowed where CONFIG is renamed or forbidden.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from redis.exceptions import ResponseError

from shared import metrics
from shared.errors import SettingsError
from shared.redis import AWAY, CLUSTER, Redis, answered, connected
from shared.settings import BaseSettings

log = structlog.get_logger(__name__)

OLDEST = (6, 2)
START_SECONDS = 3.0
"""How long a process that starts waits to learn whether Redis is a cluster. One that is away is no reason not to."""
ROUND_SECONDS, AGAIN_SECONDS = 60.0, 5.0
"""How often is looked, since settings change while Redis runs and a failover leads to another; and how soon again when
Redis was away."""


class Fault(NamedTuple):
    """What is wrong, by a name that does not change, in words, and what to do."""

    name: str
    state: str
    remedy: str


_NAMES = ("cluster", "version", "eviction", "persistence", "unknown")
_UNKNOWN = Fault(
    "unknown", "INFO is not permitted, so nobody knows whether tasks are safe in it", "give its user +info"
)


class Fitness:
    """What is known about the Redis behind a client, kept up to date while `watch` runs."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.faults: Sequence[Fault] = ()
        for name in _NAMES:
            metrics.REDIS_FAULTS.labels(name).set(0)

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.look()
                await asyncio.sleep(ROUND_SECONDS)
            except AWAY:  # its absence is told by everybody who needs it
                await asyncio.sleep(AGAIN_SECONDS)

    async def look(self) -> None:
        """Find out how Redis is now. Raises one of `AWAY`."""
        self._note(await _ask(self._redis))

    def text(self) -> str:
        """A line for each fault, for the body of a readiness probe."""
        return "".join(f"warning: redis: {fault.state}: {fault.remedy}\n" for fault in self.faults)

    def _note(self, info: Mapping[str, Any] | None) -> None:
        found = _judge(info)
        metrics.REDIS_MEMORY.set((info or {}).get("used_memory", 0))
        metrics.REDIS_MEMORY_LIMIT.set((info or {}).get("maxmemory", 0))
        for fault in found:
            if fault not in self.faults:
                log.warning("redis_unfit", fault=fault.name, state=fault.state, remedy=fault.remedy)
        if self.faults and not found:
            log.info("redis_fit")
        names = {fault.name for fault in found}
        for name in _NAMES:
            metrics.REDIS_FAULTS.labels(name).set(name in names)
        self.faults = found


async def examine(redis: Redis) -> Sequence[Fault]:
    """The faults of the Redis behind the client. Raises one of `AWAY`."""
    return _judge(await _ask(redis))


async def _ask(redis: Redis) -> Mapping[str, Any] | None:
    try:
        return await answered(redis.info())
    except ResponseError:
        return None


def _judge(info: Mapping[str, Any] | None) -> Sequence[Fault]:
    return [_UNKNOWN] if info is None else faults(info)


def faults(info: Mapping[str, Any]) -> Sequence[Fault]:
    """What the answer to INFO tells. What it leaves out, as some services do, is taken to be in order."""
    found: list[Fault] = []
    if info.get("cluster_enabled"):
        found.append(Fault("cluster", *CLUSTER))
    version = str(info.get("redis_version", ""))
    if version and _numbers(version) < OLDEST:
        found.append(Fault("version", f"it is {version}, and too old", "take Redis 6.2 or later"))
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        state = f"maxmemory-policy is {policy}, which drops tasks when memory runs out"
        found.append(Fault("eviction", state, "set maxmemory-policy noeviction"))
    if not info.get("aof_enabled", 1):
        state = "appendonly is off, so a restart loses the tasks since the last snapshot, or all of them without one"
        found.append(Fault("persistence", state, "set appendonly yes"))
    return found


async def refuse_cluster(settings: BaseSettings) -> None:
    """Raises `SettingsError` when Redis answers that it is one. Returns in any case within a few seconds."""
    async with connected(settings, name="voxmesh-start") as redis:
        try:
            async with asyncio.timeout(START_SECONDS):
                found = await examine(redis)
        except AWAY:  # a timeout is one of them
            return
    for fault in found:
        if fault.name == "cluster":
            raise SettingsError(f"REDIS_URL: {fault.state}: {fault.remedy}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2] if number.isdecimal())
