"""What the handlers of one gateway process share, built when it starts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import cast

import msgspec
import structlog
from litestar.di import NamedDependency
from redis.asyncio import ConnectionPool

from services.gateway.access import Access
from services.gateway.batch import Batching
from services.gateway.census import Census
from services.gateway.events.hub import Hub
from services.gateway.events.polling import Polling
from services.gateway.fleet import Fleet
from services.gateway.garbage import collect_the_old
from services.gateway.intake import Intake
from services.gateway.intake.forms import check_defaults
from services.gateway.intake.spool import Spool
from services.gateway.outbound import Guard
from services.gateway.outbound.addresses import networks_of
from services.gateway.settings import Settings
from services.gateway.webhooks import Deliverer
from shared.blobs import BlobStore
from shared.fitness import Fitness
from shared.janitor import ROUND_SECONDS, Janitor
from shared.redis import Redis, open_pool
from shared.scripts import Limits, Scripts
from shared.tracing import Tracing

log = structlog.get_logger(__name__)


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """All of it lives as long as the process."""

    settings: Settings
    pool: ConnectionPool
    batching: Batching
    redis: Redis
    """`batching`, as the rest of the code knows it."""
    scripts: Scripts
    access: Access
    hub: Hub
    fitness: Fitness
    polling: Polling
    fleet: Fleet
    census: Census
    spool: Spool
    intake: Intake
    janitor: Janitor
    deliverer: Deliverer
    tracing: Tracing


Injected = NamedDependency[Runtime]
"""How a handler asks for the runtime."""


def build(settings: Settings, tracing: Tracing) -> Runtime:
    """The runtime, not at work yet and not connected. Raises `SettingsError` for what cannot be."""
    check_defaults(settings)
    spool = Spool(settings.spool_dir)
    blobs = BlobStore.of(settings)
    pool = open_pool(settings, name="gateway")
    batching = Batching(pool)
    redis = cast("Redis", batching)
    limits = Limits(
        ttl_ms=settings.task_ttl_seconds * 1000,
        wait_ms=settings.wait_limit_seconds * 1000,
        tombstone_ms=settings.tombstone_seconds * 1000,
    )
    scripts = Scripts(redis, limits)
    fleet = Fleet(redis)
    guard = Guard(networks_of(settings.outbound_allow))
    hub = Hub(redis)
    return Runtime(
        settings=settings,
        pool=pool,
        batching=batching,
        redis=redis,
        scripts=scripts,
        access=Access(redis, settings),
        hub=hub,
        fitness=Fitness(redis),
        polling=Polling(hub.backlog, seconds=settings.poll_seconds),
        fleet=fleet,
        census=Census(redis, fleet),
        spool=spool,
        intake=Intake(
            redis, scripts, blobs=blobs, spool=spool, fleet=fleet, guard=guard, tracing=tracing, settings=settings
        ),
        janitor=Janitor(redis, scripts, blobs),
        deliverer=Deliverer(redis, guard, settings, tracing),
        tracing=tracing,
    )


@asynccontextmanager
async def running(runtime: Runtime) -> AsyncGenerator[None]:
    """The runtime at work for the time of the block, whether or not Redis is there."""
    with runtime.spool.held():
        async with (
            aclosing(runtime.tracing),
            aclosing(runtime.pool),
            runtime.hub.running(),
            asyncio.TaskGroup() as group,
        ):
            runtime.access.announce()
            keepers = (
                group.create_task(runtime.batching.work(), name="redis"),
                group.create_task(runtime.fitness.watch(), name="fitness"),
                group.create_task(runtime.census.work(), name="census"),
                group.create_task(_keep_house(runtime.janitor), name="janitor"),
                group.create_task(runtime.deliverer.work(), name="webhooks"),
                group.create_task(runtime.spool.keep_clean(), name="spool"),
                group.create_task(collect_the_old(runtime.hub.in_use), name="garbage"),
            )
            try:
                yield
            finally:
                for keeper in keepers:
                    keeper.cancel()


async def _keep_house(janitor: Janitor) -> None:
    """The janitor's work. Whatever befalls it, a blob store that is away for instance, streams go on."""
    while True:
        try:
            await janitor.work()
        except Exception:
            log.exception("janitor_failed")
            await asyncio.sleep(ROUND_SECONDS)
