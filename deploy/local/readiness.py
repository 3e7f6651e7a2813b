"""Whether a mesh could take a task and finish it: Redis answers, the gateway is ready, each stage has a worker.

Waiting for processes of ours has no end here: whoever waits watches them, and a slow machine is no error.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager

import httpx

from deploy.local.child import Tell
from shared import presence
from shared.errors import SettingsError
from shared.redis import AWAY, Redis, connected
from shared.settings import REDIS_VARIABLES, BaseSettings, load

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 10.0
"""How long a Redis that somebody else runs may keep silent before we say so."""


async def redis_loaded(url: str) -> None:
    """Wait for a Redis that we have started; reading back what it had saved may take it a while."""
    async with _redis({"REDIS_URL": url}) as redis:
        while True:
            try:
                await redis.ping()
            except AWAY:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return


async def registered_workers(environ: Mapping[str, str]) -> AbstractSet[str]:
    """The ids of the workers that are registered now. Raises `SettingsError` when Redis does not answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with _redis(environ) as redis:
        while True:
            try:
                live = await presence.live(redis)
            except AWAY as error:
                if time.monotonic() > deadline:
                    raise SettingsError(f"REDIS_URL: Redis does not answer: {error}") from error
                await asyncio.sleep(POLL_SECONDS)
            else:
                return {info["worker"] for workers in live.values() for info in workers}


async def mesh_ready(
    environ: Mapping[str, str], url: str, *, stages: Iterable[str], strangers: AbstractSet[str], tell: Tell
) -> None:
    """Wait until the gateway at `url` is ready and each of `stages` has a worker that is none of the `strangers`.

    A worker of an earlier mesh that was killed stays registered for some seconds: it is such a stranger."""
    waiting_for = {"gateway", *stages}
    async with _redis(environ) as redis, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while waiting_for:
            ready = await _ready_stages(redis, strangers) | await _ready_gateway(http)
            for name in sorted(waiting_for & ready):
                tell(f"{name} is ready")
            waiting_for -= ready
            if waiting_for:
                await asyncio.sleep(POLL_SECONDS)


async def _ready_gateway(http: httpx.AsyncClient) -> AbstractSet[str]:
    try:
        response = await http.get("/health/ready")
    except httpx.TransportError:
        return set()
    return {"gateway"} if response.is_success else set()


async def _ready_stages(redis: Redis, strangers: AbstractSet[str]) -> AbstractSet[str]:
    try:
        live = await presence.live(redis)
    except AWAY:
        return set()
    return {stage for stage, workers in live.items() if any(info["worker"] not in strangers for info in workers)}


@asynccontextmanager
async def _redis(environ: Mapping[str, str]) -> AsyncGenerator[Redis]:
    settings = load(BaseSettings, {name: environ.get(name, "") for name in REDIS_VARIABLES})
    async with connected(settings, name="voxmesh-local") as redis:
        yield redis
