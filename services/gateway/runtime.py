"""What the handlers of one gateway process share, built when it starts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
from litestar.di import NamedDependency

from services.gateway import uploads
from services.gateway.hub import Hub
from services.gateway.intake import Intake
from services.gateway.settings import Settings
from shared.blobs import BlobStore
from shared.janitor import Janitor
from shared.redis import Redis, connected
from shared.scripts import Limits, Scripts


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """All of it lives as long as the process."""

    settings: Settings
    redis: Redis
    hub: Hub
    intake: Intake


Injected = NamedDependency[Runtime]
"""How a handler asks for the runtime."""


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Runtime]:
    """The runtime at work. It starts whether or not Redis is there, and lives through its absence."""
    uploads.sweep(settings.spool_dir)
    blobs = BlobStore(settings.blob_url)
    limits = Limits(ttl_ms=settings.task_ttl_seconds * 1000, wait_ms=settings.wait_limit_seconds * 1000)
    async with connected(settings, name="gateway") as redis:
        scripts = Scripts(redis, limits)
        hub = Hub(redis)
        async with hub.running(), asyncio.TaskGroup() as group:
            janitor = group.create_task(Janitor(redis, scripts, blobs).work(), name="janitor")
            try:
                yield Runtime(settings=settings, redis=redis, hub=hub, intake=Intake(redis, scripts, blobs, settings))
            finally:
                janitor.cancel()
