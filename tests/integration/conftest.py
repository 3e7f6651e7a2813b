"""A gateway for tests of streams: its settings, a client of it, and a task whose events the test publishes itself. And
`voxmesh transcribe` against a whole mesh, with a recording in its folder."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.gateway import served
from tests.fakes.task import LiveTask
from tests.fakes.terminal import VOXMESH, Run
from tests.local_mesh import ROOT


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


@pytest.fixture
def run(mesh_url: str, tmp_path: Path) -> Run:
    """The command against a whole mesh, in a folder of its own, all three of its streams in pipes."""

    def command(*words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*VOXMESH, "transcribe", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "VOXMESH_URL": mesh_url, **environ},
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return command


@pytest.fixture
def talk(tmp_path: Path, recording: Path) -> Path:
    """A recording in that folder."""
    path = tmp_path / "talk.ogg"
    path.write_bytes(recording.read_bytes())
    return path
