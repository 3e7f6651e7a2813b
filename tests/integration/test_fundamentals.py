"""How the mesh works, from the first record to the last event. Reads as a tutorial."""

import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared import codec, events, keys
from shared.messages import StageName, State, Step
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.stages import STAGES, FakeEngine, nothing
from tests.mesh import log_of, records_of, submit, until_ended, worker_process, working

ALL_STEPS = [
    (Step.STARTED, 5),
    (Step.TRANSCRIPTION, 16),
    (Step.TRANSCRIPTION, 23),
    (Step.TRANSCRIPTION, 30),
    (Step.TRANSCRIPTION_COMPLETE, 30),
    (Step.TRANSLATION, 40),
    (Step.TRANSLATION, 45),
    (Step.TRANSLATION, 50),
    (Step.TRANSLATION_COMPLETE, 50),
    (Step.NER, 60),
    (Step.NER_COMPLETE, 65),
    (Step.CLASSIFICATION, 70),
    (Step.CLASSIFICATION_COMPLETE, 75),
    (Step.SUMMARIZATION, 80),
    (Step.SUMMARIZATION_COMPLETE, 85),
    (Step.INSIGHTS, 90),
    (Step.INSIGHTS_COMPLETE, 95),
    (Step.COMPLETED, 100),
]


@pytest.fixture
async def mesh(settings: BaseSettings) -> AsyncIterator[None]:
    """A worker of each stage."""
    async with AsyncExitStack() as workers:
        for stage in STAGES.values():
            await workers.enter_async_context(working(stage, FakeEngine(), settings))
        yield


@pytest.mark.usefixtures("mesh")
async def test_a_task_goes_through_all_stages(redis: Redis) -> None:
    """Every step is published once, in the order of the guide, and the last event carries everything."""
    await submit(redis, "t", translation=True, insights=True)
    log = await until_ended(redis, "t")
    assert [(event.step, event.progress) for event in log] == ALL_STEPS
    result = log[-1].partial_result
    assert codec.decode_result(result).translation == "Frase 1. Frase 2. Frase 3."
    assert await redis.get(keys.result("t")) == bytes(result)
    assert await redis.hget(keys.task("t"), "state") == State.COMPLETED.encode()


@pytest.mark.usefixtures("mesh")
async def test_a_replayed_event_is_the_one_that_was_published(redis: Redis) -> None:
    """The log keeps partial events without the text so far; replay puts it back, to the byte."""
    published: list[tuple[int, bytes]] = []
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(keys.channel("t"))
        await submit(redis, "t", translation=True)
        while not (published and events.is_terminal(published[-1][1])):
            message = await pubsub.get_message(timeout=1)
            if message is not None:
                published.append(events.split(message["data"]))
    assert [entry async for entry in events.history(redis, "t")] == published
    (_, second), (_, third) = published[2:4]
    assert b'"transcript":"Sentence 1. Sentence 2."' in second
    assert b'"transcript":"Sentence 1. Sentence 2. Sentence 3."' in third
    kept = dict(await events.read(redis, "t", after=0, count=99))
    assert b"Sentence 1" not in kept[4]


@pytest.mark.usefixtures("mesh")
async def test_a_route_leaves_out_what_was_not_asked_for(redis: Redis) -> None:
    """Without translation and insights, nlp reads what asr wrote and ends the task."""
    await submit(redis, "t")
    log = await until_ended(redis, "t")
    assert [event.step for event in log] == [
        step for step, _ in ALL_STEPS if "translation" not in step and "insights" not in step
    ]


@pytest.mark.usefixtures("mesh")
async def test_nothing_is_left_in_the_queues(redis: Redis) -> None:
    """Once a task has ended, no stage has a job and nobody watches the task."""
    await submit(redis, "t", translation=True, insights=True)
    await until_ended(redis, "t")

    async def idle() -> bool:
        return sum([await redis.zcard(keys.queue(stage)) for stage in StageName]) == 0

    await wait_until(idle, description="the queues are empty")
    assert await redis.zcard(keys.WATCH) == 0


async def test_stages_overlap_but_events_keep_their_order(redis: Redis, settings: BaseSettings) -> None:
    """The first translation is computed while the last sentence is still being spoken; its event waits for its step."""
    translated = threading.Event()

    def speak(number: int) -> None:
        if number == 3:
            assert translated.wait(10), "no segment was translated while the recogniser was at work"

    def translate(number: int) -> None:
        if number == 1:
            translated.set()

    async with AsyncExitStack() as workers:
        for name, do in ((StageName.ASR, speak), (StageName.TRANSLATE, translate), (StageName.NLP, nothing)):
            await workers.enter_async_context(working(STAGES[name], FakeEngine(do), settings))
        await submit(redis, "t", translation=True)
        log = await until_ended(redis, "t")
    steps = [event.step for event in log]
    assert steps[-1] is Step.COMPLETED
    assert steps.index(Step.TRANSLATION) == steps.index(Step.TRANSCRIPTION_COMPLETE) + 1
    assert [event.progress for event in log] == sorted(event.progress for event in log)


async def test_r06_killed_worker_is_continued_behind_its_last_record(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """The next attempt starts at record k+1, in another process, within the lease; no event is repeated."""
    diary = tmp_path / "diary"
    environ = {"FAKE_SEGMENTS": "6", "FAKE_DIARY": str(diary), "LEASE_SECONDS": "1"}
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "4"}) as first:
            await submit(redis, "t")
            await wait_until(
                lambda: diary.exists() and diary.read_text().endswith("4\n"), description="the engine stalls at 4"
            )
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert await records_of(redis, "t", StageName.ASR) == [1, 2, 3]
        with worker_process(StageName.ASR, settings, environ):
            log = await until_ended(redis, "t")
    assert diary.read_text().split() == ["1", "2", "3", "4", "4", "5", "6"]
    assert await records_of(redis, "t", StageName.ASR) == [1, 2, 3, 4, 5, 6, 7]
    steps = [event.step for event in log]
    assert (steps.count(Step.STARTED), steps.count(Step.TRANSCRIPTION), steps.count(Step.COMPLETED)) == (1, 6, 1)


async def test_a_worker_that_stalls_longer_than_its_lease_is_shut_out(redis: Redis, settings: BaseSettings) -> None:
    """When it wakes up, the attempt that was given up gets nothing through, and the task has one end."""
    asleep, wake = threading.Event(), threading.Event()

    def sleep_once(number: int) -> None:
        if number == 2 and not asleep.is_set():
            asleep.set()
            wake.wait(10)

    async with (
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(sleep_once), settings),
    ):
        await submit(redis, "t")
        await wait_until(asleep.is_set, description="the first worker sleeps")
        # The loop of this worker still turns, so its lease is taken away by hand, as a blocked loop would lose it.
        async with working(STAGES[StageName.ASR], FakeEngine(), settings):

            async def taken_over() -> bool:
                await redis.delete(keys.lease("t", StageName.ASR))
                await redis.publish(keys.wake(StageName.ASR), b"job:t")
                return await redis.hget(keys.task("t"), "attempts:asr") == b"2"

            await wait_until(taken_over, description="the second worker takes over")
            log = await until_ended(redis, "t")
            wake.set()
    assert await log_of(redis, "t") == log
    assert [event.step for event in log].count(Step.COMPLETED) == 1


async def test_an_input_that_kills_its_workers_fails(redis: Redis, settings: BaseSettings, tmp_path: Path) -> None:
    """After three attempts that died, the task ends as failed and says so; the next task of the queue is served."""
    diary = tmp_path / "diary"
    environ = {"LEASE_SECONDS": "0.5", "FAKE_DIARY": str(diary)}
    await submit(redis, "t")
    for attempt in range(1, 4):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_CRASH_AT": "1"}) as worker:
            await wait_until(lambda w=worker: w.poll() is not None, description=f"worker {attempt} dies")
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, environ):
            log = await until_ended(redis, "t")
            await submit(redis, "next")
            assert (await until_ended(redis, "next"))[-1].step is Step.COMPLETED
    assert diary.read_text().split()[:3] == ["1", "1", "1"]
    failure = log[-1].error
    assert (log[-1].step, log[-1].progress) == (Step.FAILED, 5)
    assert failure is not None
    assert (failure.code, failure.stage) == ("attempts_exhausted", StageName.ASR)


async def test_r07_worker_that_is_told_to_stop_hands_its_job_back(
    redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """SIGTERM in the middle of a job ends the process with 0; the job goes on elsewhere and no attempt is counted."""
    diary = tmp_path / "diary"
    environ = {"FAKE_DIARY": str(diary), "DRAIN_SECONDS": "0.2"}
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "2"}) as first:
            await submit(redis, "t")
            await wait_until(
                lambda: diary.exists() and diary.read_text().endswith("2\n"), description="the engine stalls at 2"
            )
            first.terminate()
            await wait_until(lambda: first.poll() is not None, description="the worker stops")
            assert first.returncode == 0
        assert await redis.hget(keys.task("t"), "attempts:asr") == b"0"
        with worker_process(StageName.ASR, settings, environ):
            assert (await until_ended(redis, "t"))[-1].step is Step.COMPLETED
