"""Redis goes away and comes back while tasks are under way."""

import threading
from contextlib import AsyncExitStack
from pathlib import Path

from shared.messages import StageName, Step
from shared.redis import connected
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.stages import STAGES, FakeEngine, nothing
from tests.mesh import submit, until_ended, working


async def test_r05_restart_in_the_middle_of_a_task_loses_nothing(durable_server: RedisServer, tmp_path: Path) -> None:
    """No worker needs a restart: the attempt at work goes on, each step is published once, and new tasks are taken."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    speaking, away = threading.Event(), threading.Event()

    def speak(number: int) -> None:
        if number == 2:
            speaking.set()
            assert away.wait(10)

    engines = {StageName.ASR: speak, StageName.TRANSLATE: nothing, StageName.NLP: nothing}
    async with connected(settings, name="test") as redis, AsyncExitStack() as workers:
        for name, do in engines.items():
            await workers.enter_async_context(working(STAGES[name], FakeEngine(do), settings))
        await submit(redis, "t", translation=True)
        await wait_until(speaking.is_set, description="the recogniser is at work")
        durable_server.stop()
        away.set()
        durable_server.start()
        log = await until_ended(redis, "t")
        await submit(redis, "next")
        after = await until_ended(redis, "next")
    steps = [event.step for event in log]
    assert (steps[-1], after[-1].step) == (Step.COMPLETED, Step.COMPLETED)
    assert steps.count(Step.TRANSCRIPTION) == steps.count(Step.TRANSLATION) == 3
    assert len([step for step in steps if "complete" in step]) == len({step for step in steps if "complete" in step})
