"""What this machine's Redis is like, and the gateway that it uses."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import httpx

from deploy.local.doctor.finding import Finding
from deploy.local.redis_server import binary
from deploy.local.status.snapshot import Gateway, Snapshot
from shared.errors import MeshError, SettingsError
from shared.fitness import examine
from shared.redis import AWAY, Redis, connected
from shared.settings import BaseSettings, names_redis

SKEW_SECONDS = 5.0
"""By how much clocks may differ: more than an answer takes, and than HTTP tells, and less than does harm. Links,
webhooks and the times in events go by the clocks of gateways; leases go by Redis' own."""
_SET_THE_CLOCK = "have both machines keep their time by NTP (timedatectl set-ntp true)"


async def redis(environ: Mapping[str, str], settings: BaseSettings) -> Sequence[Finding]:
    """Whether it is there, is fit to keep tasks, and has our time."""
    if not names_redis(environ):
        try:
            return [Finding("redis", f"embedded, {binary()}")]
        except SettingsError as error:
            return [Finding("redis", error.message, "make install, or set REDIS_URL")]
    try:
        async with asyncio.timeout(10), connected(settings, name="voxmesh-doctor") as client:
            await client.ping()
            found = [Finding("redis", fault.state, fault.remedy) for fault in await examine(client)]
            return [*(found or [Finding("redis", "answers, and fit")]), await _clock(client)]
    except SettingsError as error:
        return [Finding("redis", "its address cannot be", error.message)]
    except AWAY as error:
        return [Finding("redis", f"no answer: {error}", "start it (redis-server), or check REDIS_URL")]


async def _clock(client: Redis) -> Finding:
    before = time.time()
    seconds, microseconds = await client.time()
    return skew("Redis", seconds + microseconds / 1e6, before=before, after=time.time())


def skew(whose: str, theirs: float, *, before: float, after: float) -> Finding:
    """A clock that was read between `before` and `after` by ours."""
    ahead = theirs - (before + after) / 2
    if abs(ahead) - (after - before) / 2 <= SKEW_SECONDS:
        return Finding("clock", f"that of {whose} agrees with ours")
    return Finding(
        "clock", f"that of {whose} is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}", _SET_THE_CLOCK
    )


async def gateway(url: str, *, api_key: str) -> AsyncIterator[Finding]:
    """Whether it answers, lets us in, has what work there is done, is of our version and has our time."""
    try:
        async with Gateway(url, api_key=api_key) as asked:
            snapshot = await asked.look()
            yield _gateway(snapshot)
            if snapshot.ready:  # else it answers everybody alike
                yield await _door(url, api_key)
            yield await _gateway_clock(url)
    except (MeshError, httpx.HTTPError) as error:
        yield Finding("gateway", str(error), "start it (voxmesh up), or check --url and VOXMESH_URL")
        return
    if snapshot.version is not None and snapshot.version != version("voxmesh"):
        yield Finding(
            "versions", f"gateway {snapshot.version}, here {version('voxmesh')}", "install one of them on both"
        )
    if away := [stage.name for stage in snapshot.stages if stage.workers == 0]:
        yield Finding(
            "workers", f"none for {', '.join(away)}", "start one: voxmesh worker STAGE; or raise its replicas"
        )
    for stage in snapshot.stages:
        if stage.stuck:
            yield Finding("queue", f"{stage.waiting} jobs of {stage.name} wait for a worker", "start one of this stage")


def _gateway(snapshot: Snapshot) -> Finding:
    trouble = "; ".join(snapshot.trouble)
    if snapshot.ready and not trouble:
        return Finding("gateway", f"{snapshot.url} is ready")
    state = f"{snapshot.url} is {'ready, but' if snapshot.ready else 'not ready:'} {trouble}"
    return Finding("gateway", state, "see to its Redis: docs/redis.md")


async def _door(url: str, api_key: str) -> Finding:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        response = await client.get("/audio/capabilities")
    match response.status_code:
        case 401:
            return Finding("key", "the gateway asks for one", "set VOXMESH_KEY")
        case 403:
            return Finding("key", "the gateway does not know it", "set VOXMESH_KEY to one of its keys")
        case _:
            return Finding("key", "let in" if api_key else "none is asked for")


async def _gateway_clock(url: str) -> Finding:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        before = time.time()
        response = await client.get("/health/live")
        after = time.time()
    try:
        told = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return Finding("clock", "that of the gateway is not told")
    return skew("the gateway", told + 0.5, before=before - 0.5, after=after + 0.5)  # it tells whole seconds
