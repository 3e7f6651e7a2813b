"""Pieces of a mesh for tests: workers in this process, workers as processes, tasks without a gateway."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from shared import codec, events, keys, queue
from shared.inference.device import Device
from shared.messages import Event, Options, StageName
from shared.redis import Redis, client, open_pool
from shared.runner.worker import build, run_until
from shared.scripts import Limits, Scripts
from shared.settings import BaseSettings, StageSettings
from shared.stage import Engine, Stage
from shared.steps import route_of
from shared.submission import Submission
from tests.conftest import wait_until

ROOT = Path(__file__).parent.parent
LIMITS = Limits(ttl_ms=60_000, wait_ms=60_000)


@asynccontextmanager
async def working(stage: Stage, engine: Engine, settings: BaseSettings, **changed: Any) -> AsyncGenerator[None]:
    """A worker of `stage` in this process, for the time of the block; `changed` are settings of its own."""
    stage_settings = StageSettings(redis_url=settings.redis_url, blob_url=settings.blob_url, drain_seconds=1.0)
    stage_settings = msgspec.structs.replace(stage_settings, **changed)
    pool = open_pool(settings, name=f"test-{stage.name}")
    device = Device(patience_seconds=stage_settings.stuck_seconds)
    worker = build(stage, engine, stage_settings, redis=client(pool), device=device)
    stopping = asyncio.Event()
    task = asyncio.create_task(run_until(worker, stopping), name=f"worker of {stage.name}")
    try:
        yield
    finally:
        stopping.set()
        await task
        device.close()
        await pool.aclose()


@contextmanager
def worker_process(
    stage: StageName, settings: BaseSettings, environ: Mapping[str, str], *, real: bool = False
) -> Generator[subprocess.Popen[bytes]]:
    """A worker, fake unless it is to be `real`, as a process of its own; it is killed at the end if it still runs."""
    module = [f"services.{stage.value}.worker"] if real else ["tests.fakes.worker", stage.value]
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": settings.redis_url, "BLOB_URL": settings.blob_url, **environ},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def gateway_process(
    settings: BaseSettings, *, port: int, environ: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A gateway as a process of its own on loopback; it is killed at the end if it still runs."""
    spool = settings.blob_url.removeprefix("file://") + "-spool"
    addresses = {"REDIS_URL": settings.redis_url, "BLOB_URL": settings.blob_url, "SPOOL_DIR": spool, "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.gateway.app"], cwd=ROOT, env={**os.environ, **addresses, **(environ or {})}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def submit(
    redis: Redis, task_id: str, *, translation: bool = False, insights: bool = False, limits: Limits = LIMITS
) -> None:
    """A task with a recording that no fake stage looks at."""
    await Scripts(redis, limits).submit(
        Submission(
            task_id=task_id,
            route=route_of(audio=True, translation=translation, insights=insights),
            options=Options(target_language="pt" if translation else None, include_insights=insights),
            job=queue.stage_job(task_id),
            blob=task_id,
        )
    )


async def log_of(redis: Redis, task_id: str) -> list[Event]:
    """The events of a task so far."""
    return [codec.decode_event(data) async for _, data in events.history(redis, task_id)]


async def until_ended(redis: Redis, task_id: str) -> list[Event]:
    """All events of a task, once it has ended."""

    async def ended() -> bool:
        return any(event.step.terminal for event in await log_of(redis, task_id))

    await wait_until(ended, description=f"task {task_id} ends")
    return await log_of(redis, task_id)


async def records_of(redis: Redis, task_id: str, stage: StageName) -> list[int]:
    """The numbers of the records that a stage has written."""
    return [int(entry_id.partition(b"-")[0]) for entry_id, _ in await redis.xrange(keys.out(task_id, stage))]
