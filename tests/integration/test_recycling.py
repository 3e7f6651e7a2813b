"""Workers that end after so many jobs, to be started anew by whoever keeps them running."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deploy.local.child import Child, Command, Tell
from shared import keys
from shared.inference.device import Device
from shared.messages import StageName, Step
from shared.redis import Redis
from shared.runner.worker import build
from shared.settings import BaseSettings, StageSettings
from tests.conftest import wait_until
from tests.fakes.stages import STAGES as FAKES
from tests.fakes.stages import FakeEngine
from tests.mesh import ROOT, records_of, submit, until_ended

TASKS, SENTENCES = 7, 3
STAGES = (StageName.ASR, StageName.NLP)


@asynccontextmanager
async def kept(stage: StageName, settings: BaseSettings, folder: Path, tell: Tell) -> AsyncGenerator[None]:
    """A worker of two jobs, kept running as `voxmesh up` does it. What it works on stands in the folder."""
    environ = {
        **os.environ,
        "REDIS_URL": settings.redis_url,
        "BLOB_URL": settings.blob_url,
        "PYTHONPATH": str(ROOT),
        "RECYCLE_AFTER_JOBS": "2",
        "WORKER_CONCURRENCY": "2",
        "FAKE_DIARY": str(folder / stage),
        "FAKE_SEGMENTS": str(SENTENCES),
    }
    argv = (sys.executable, "-m", "tests.fakes.worker", stage.value)
    worker = Child(Command(name=stage, argv=argv, environ=environ), log=folder / f"{stage}.log")
    await worker.start()
    keeper = asyncio.create_task(worker.keep(tell), name=f"keep {stage}")
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await worker.stop(seconds=10)


async def test_a12_workers_are_recycled_and_no_task_is_lost_or_done_twice(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """What has ended after its two jobs is started anew at once, and called no crash; each sentence of each task is
    worked on once in each stage, by an attempt that is the first."""
    told: list[str] = []

    def recycled() -> bool:
        return all(told.count(f"{stage} has ended in good order; starting it anew") >= 2 for stage in STAGES)

    async with AsyncExitStack() as workers:
        for stage in STAGES:
            await workers.enter_async_context(kept(stage, settings, tmp_path, told.append))
        for number in range(TASKS):
            await submit(redis, f"t{number}")
        for number in range(TASKS):
            log = await until_ended(redis, f"t{number}")
            assert log[-1].step is Step.COMPLETED
            assert [event.step for event in log].count(Step.TRANSCRIPTION) == SENTENCES
        await wait_until(recycled, description="each stage has had several workers")
    assert not [line for line in told if "status" in line]
    for stage in STAGES:
        worked_on = (tmp_path / stage).read_text().split()
        assert all(worked_on.count(str(sentence)) == TASKS for sentence in range(1, SENTENCES + 1))
        for number in range(TASKS):
            assert await redis.hget(keys.task(f"t{number}"), f"attempts:{stage}") == b"1"
            assert await records_of(redis, f"t{number}", stage) == list(range(1, SENTENCES + 2))


async def test_workers_are_not_recycled_all_at_once(redis: Redis, settings: BaseSettings) -> None:
    """Of workers that share their jobs evenly each lasts for a time of its own: no shorter than the setting says, and
    not much longer. Without the setting they last for ever."""

    def last_job(jobs: int) -> int:
        stage_settings = StageSettings(
            redis_url=settings.redis_url, blob_url=settings.blob_url, recycle_after_jobs=jobs
        )
        device = Device(patience_seconds=10)
        device.close()
        return build(FAKES[StageName.NLP], FakeEngine(), stage_settings, redis=redis, device=device).last_job

    last = {last_job(100) for _ in range(20)}
    assert len(last) > 1
    assert last <= set(range(100, 126))
    assert last_job(0) == 0
