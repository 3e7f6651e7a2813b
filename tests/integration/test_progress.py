"""The progress of a task never falls, whenever its workers die and however wrong the estimates are."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest

from shared import keys
from shared.commit import Commit, Committed
from shared.inference.device import Device
from shared.messages import Document, Segment, StageJob, StageName, Step, Transcript
from shared.redis import Redis
from shared.runner.worker import build
from shared.scripts import Scripts
from shared.settings import BaseSettings, StageSettings
from shared.stage import Emit, Stage, Work
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, log_of, submit

SPOKEN = 150
"""Segments: several times as many as one commit publishes, or one look at the input takes."""


class Died(BaseException):
    """The worker is gone, without a word to anybody."""


class MortalScripts(Scripts):
    """Those of an attempt that ends by `end` over its commit number `last`: that is made, but its reply is lost."""

    def __init__(self, redis: Redis, last: int, end: type[BaseException]) -> None:
        super().__init__(redis, LIMITS)
        self._left = last
        self._end = end

    async def commit(self, commit: Commit, records: Sequence[bytes] = (), *, job: bytes = b"") -> Committed:
        committed = await super().commit(commit, records, job=job)
        self._left -= 1
        if self._left == 0:
            raise self._end
        return committed


def speaker(first: float, whole: float) -> Stage:
    """Says a third of it and then the rest, and believes that it is then as far as `first` and `whole` say."""

    async def speak(work: Work, engine: FakeEngine, emit: Emit) -> Document:
        for until, done in ((SPOKEN // 3, first), (SPOKEN, whole)):
            numbers = range(len(work.written) + 1, until + 1)
            await work.compute(engine.do_all, numbers)
            said = [Segment(index=number, start=0, end=1, text=f"Sentence {number}.") for number in numbers]
            await emit.segments(said, done=done)
        emit.step(Step.TRANSCRIPTION_COMPLETE, Transcript(transcript="", language="en", duration=1.0, segments=()))
        return Document(segments=SPOKEN, duration=1.0, language="en", coverage=1.0)

    return msgspec.structs.replace(STAGES[StageName.ASR], run=speak)


async def serve(stage: Stage, task_id: str, settings: BaseSettings, redis: Redis, scripts: Sequence[Scripts]) -> int:
    """The stage's part of the task, by attempts with `scripts` one after the other until one lives. How many died."""
    device = Device(patience_seconds=10)
    stage_settings = StageSettings(redis_url=settings.redis_url, blob_url=settings.blob_url, max_attempts=len(scripts))
    runner = build(stage, FakeEngine(), stage_settings, redis=redis, device=device).runner
    listening = asyncio.create_task(runner.wakeups.listen())
    try:
        for died, own in enumerate(scripts):
            mortal = msgspec.structs.replace(runner.surroundings, scripts=own)
            try:
                await msgspec.structs.replace(runner, surroundings=mortal).run(StageJob(task_id))
            except (Died, asyncio.CancelledError):
                continue
            return died
        raise AssertionError("no attempt lived")
    finally:
        listening.cancel()
        device.close()


@pytest.mark.parametrize("estimates", [(0.3, 1.0), (0.9, 0.5)], ids=["true", "falling"])
@pytest.mark.parametrize("end", [Died, asyncio.CancelledError], ids=["killed", "told_to_stop"])
async def test_progress_never_falls(
    redis: Redis, settings: BaseSettings, end: type[BaseException], estimates: tuple[float, float]
) -> None:
    """Each worker ends over its commit number n, and so does its successor, for every n: what the third tells goes on
    from what was told before, in the log and in the record, and nothing is told twice."""
    stages = STAGES | {StageName.ASR: speaker(*estimates)}
    deaths, last = 1, 0
    while deaths:
        last += 1
        task_id = f"t{last}"
        await submit(redis, task_id, translation=True, insights=True)
        mortals = [MortalScripts(redis, last, end) for _ in range(2 * len(stages))]
        served = [
            serve(stage, task_id, settings, redis, [mortals.pop(), mortals.pop(), Scripts(redis, LIMITS)])
            for stage in stages.values()
        ]
        deaths = sum(await asyncio.gather(*served))
        log = await log_of(redis, task_id)
        progress = [event.progress for event in log]
        assert progress == sorted(progress), f"after deaths over commit {last}"
        assert await redis.hget(keys.task(task_id), "progress") == b"100"
        told = Counter(event.step for event in log)
        assert told.pop(Step.TRANSCRIPTION) == told.pop(Step.TRANSLATION) == SPOKEN
        assert set(told.values()) == {1}
    assert last > 3
