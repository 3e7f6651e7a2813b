"""A gateway for tests of streams: its settings, a client of it, and a task whose events the test publishes itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.gateway import served
from tests.fakes.task import LiveTask


@pytest.fixture
def gateway_settings(settings: BaseSettings, tmp_path: Path) -> Settings:
    """Pings come fifty times as often as by default, so that tests need not wait for them."""
    return Settings(
        redis_url=settings.redis_url,
        blob_url=settings.blob_url,
        spool_dir=tmp_path / "spool",
        ping_seconds=0.2,
        shutdown_seconds=5,
    )


@pytest.fixture
async def client(gateway_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(gateway_settings) as client:
        yield client


@pytest.fixture
async def task(redis: Redis) -> LiveTask:
    return await LiveTask(redis).create()
