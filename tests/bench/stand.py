"""The stand that measurements run on: a Redis, one gateway and one worker of each stage, processes of this machine."""

import io
import os
import statistics
import subprocess
import sys
import wave
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import msgspec

from shared import presence
from shared.messages import StageName
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port, wait_until
from tests.mesh import ROOT


class Stand(msgspec.Struct, frozen=True):
    """A running mesh."""

    url: str
    redis: Redis
    settings: BaseSettings
    gateway: "subprocess.Popen[bytes]"
    workers: "Mapping[StageName, subprocess.Popen[bytes]]"


@asynccontextmanager
async def standing(
    workers: Mapping[StageName, Sequence[str]] | None = None, environ: Mapping[str, str] | None = None
) -> AsyncGenerator[Stand]:
    """A mesh for the time of the block; `workers` are the command lines of its stages, none by default."""
    workers = workers or {}
    with TemporaryDirectory(prefix="voxmesh-bench-") as folder:
        server = RedisServer(Path(folder), port=free_port(), appendonly=True)
        server.start()
        settings = BaseSettings(redis_url=server.url, blob_url=f"file://{folder}/blobs")
        port = free_port()
        own = {"REDIS_URL": server.url, "BLOB_URL": settings.blob_url, "LOG_LEVEL": "error"}
        environment = {**os.environ, **own, **(environ or {})}
        gateway = _start(["-m", "services.gateway.app"], {**environment, "PORT": str(port), "SPOOL_DIR": folder})
        started = {stage: _start(command, environment) for stage, command in workers.items()}
        processes = [gateway, *started.values()]
        try:
            async with connected(settings, name="bench") as redis:
                await _until_ready(f"http://127.0.0.1:{port}", redis, set(workers))
                yield Stand(f"http://127.0.0.1:{port}", redis, settings, gateway, started)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)
            server.stop()


def fake_workers() -> dict[StageName, list[str]]:
    """The command lines of workers without models."""
    return {stage: ["-m", "tests.fakes.worker", stage.value] for stage in StageName}


def real_workers() -> dict[StageName, list[str]]:
    """The command lines of the real workers."""
    return {stage: ["-m", f"services.{stage.value}.worker"] for stage in StageName}


def short_wav() -> bytes:
    """A tenth of a second of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3200))
    return buffer.getvalue()


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _start(arguments: Sequence[str], environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=dict(environ))


async def _until_ready(url: str, redis: Redis, stages: set[StageName]) -> None:
    async def ready() -> bool:
        live = await presence.live(redis)
        return all(live[stage] for stage in stages) and await _answers(url)

    await wait_until(ready, description="gateway and workers are ready", seconds=240)


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
