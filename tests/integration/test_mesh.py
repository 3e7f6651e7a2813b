"""Direct calls of one stage over Redis."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from shared import events
from shared import mesh as module
from shared.errors import DeadlineExceeded, Permanent, TaskFailed
from shared.mesh import Mesh
from shared.messages import Document, Segment, StageName, State
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from shared.text.speakers import named
from tests.fakes.calls import LATER, MANY, TEXTS, left, numbers, once, until_nothing_is_left, wait_for_keys
from tests.fakes.form import wav
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, working

SENTENCES = [
    Segment(index=7 * number, start=number, end=number + 1, text=f"Sentence {number}.") for number in (1, 2, 3)
]


@pytest.fixture
async def mesh(settings: BaseSettings) -> AsyncIterator[Mesh]:
    async with Mesh(settings) as opened:
        yield opened


@pytest.mark.parametrize("stage", ["translate", "nlp", "insights"])
async def test_a_stage_answers_and_nothing_is_left(
    mesh: Mesh, redis: Redis, settings: BaseSettings, stage: str
) -> None:
    """Each sentence comes back once, numbered from 1, with the document behind; then the task is gone from Redis."""
    async with working(STAGES[StageName(stage)], FakeEngine(), settings):
        segments, document = await mesh.call(stage, SENTENCES, language="english", target_language="pt-BR")
        await until_nothing_is_left(redis)
    assert [(segment.index, segment.text, segment.end) for segment in segments] == [
        (1, "Sentence 1.", 2),
        (2, "Sentence 2.", 3),
        (3, "Sentence 3.", 4),
    ]
    assert [segment.translation for segment in segments] == (
        ["Frase 1.", "Frase 2.", "Frase 3."] if stage == "translate" else [None] * 3
    )
    assert (document.segments, document.duration, document.language) == (3, 4.0, "en")


async def test_speakers_are_those_that_are_known_at_the_end(mesh: Mesh, settings: BaseSettings, tmp_path: Path) -> None:
    """Whoever waits for the end of a call has no guesses; whoever takes sentences as they come has them until then."""
    path = tmp_path / "sound.wav"
    path.write_bytes(wav())
    async with working(STAGES[StageName.ASR], FakeEngine(), settings):
        segments, document = await mesh.call("asr", path, diarize=True, num_speakers=2)
        async with mesh.stream("asr", path, diarize=True) as records:
            guessed = [record async for record in records if isinstance(record, Segment)]
    assert [segment.speaker for segment in segments] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    assert [segment.speaker for segment in named(guessed, document.turns)] == [each.speaker for each in segments]
    assert {segment.speaker for segment in guessed} == {"SPEAKER_00"}


async def test_a_recording_is_transcribed(mesh: Mesh, redis: Redis, settings: BaseSettings, tmp_path: Path) -> None:
    """The recogniser takes a file; of that, too, nothing is left."""
    path = tmp_path / "sound.wav"
    path.write_bytes(wav())
    async with working(STAGES[StageName.ASR], FakeEngine(), settings):
        segments, _ = await mesh.call("asr", path)
        await until_nothing_is_left(redis)
    assert len(segments) == 3
    assert list(Path(settings.blob_url.removeprefix("file://")).iterdir()) == []


async def test_no_sentences_are_an_answer_too(mesh: Mesh, settings: BaseSettings) -> None:
    """An empty list is no error; a single text is one sentence."""
    async with working(STAGES[StageName.TRANSLATE], FakeEngine(), settings):
        assert (await mesh.call("translate", [])).document.segments == 0
        assert [segment.translation for segment in (await mesh.call("translate", "Sentence.")).segments] == ["Frase."]


async def test_records_come_as_they_are_made(
    mesh: Mesh, settings: BaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is there while the rest is at work. Messages say so, also of a stage without partial results and
    of an end that is a failure: nobody looks by the clock."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 60.0)
    go_on = threading.Event()

    def work(number: int) -> None:
        if number == LATER:
            assert go_on.wait(20)
        if number == MANY:
            raise Permanent("no_speech", "Nothing to be done.")

    async with working(STAGES[StageName.NLP], FakeEngine(work), settings):
        async with mesh.stream("nlp", TEXTS[: MANY - 1], deadline=20) as records:
            seen = [await anext(records) for _ in range(LATER - 1)]
            go_on.set()
            seen += [record async for record in records]
        with pytest.raises(TaskFailed, match="Nothing to be done"):
            await mesh.call("nlp", TEXTS, deadline=20)
    assert numbers(seen[:-1]) == list(range(1, MANY))
    assert isinstance(seen[-1], Document)


async def test_a_lost_message_costs_a_look(mesh: Mesh, settings: BaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is told nothing finds its records all the same."""
    monkeypatch.setattr(mesh, "_channel", "vm:reply:nobody")
    async with working(STAGES[StageName.NLP], FakeEngine(), settings):
        assert numbers((await mesh.call("nlp", TEXTS, deadline=20)).segments) == list(range(1, MANY + 1))


async def test_a_call_that_fails_says_why(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """The code and the message of the stage's own error; nothing is left."""

    def refuse() -> None:
        raise Permanent("unsupported_language", "There is no model for it.")

    async with working(STAGES[StageName.NLP], FakeEngine(once(1, refuse)), settings):
        with pytest.raises(TaskFailed, match="There is no model for it") as failed:
            await mesh.call("nlp", TEXTS)
        await until_nothing_is_left(redis)
    assert (failed.value.code, failed.value.retryable) == ("unsupported_language", False)


async def test_a_call_that_somebody_else_ends(mesh: Mesh, redis: Redis) -> None:
    """Its caller hears of it at once, and that it was no failure of the stage."""
    call = asyncio.create_task(mesh.call("nlp", TEXTS))
    await wait_for_keys(redis)
    (task_id,) = [key.decode().partition("{")[2].partition("}")[0] async for key in redis.scan_iter("vm:*:task")]
    await Scripts(redis, LIMITS).close(
        task_id, State.CANCELLED, event=events.make_end(task_id, State.CANCELLED), error=""
    )
    with pytest.raises(TaskFailed) as cancelled:
        await call
    assert (cancelled.value.code, cancelled.value.retryable) == ("cancelled", False)
    assert await left(redis) == []


async def test_a_redis_that_comes_back_empty_is_told(mesh: Mesh, redis: Redis) -> None:
    """The task is gone: waiting for it would be in vain."""
    call = asyncio.create_task(mesh.call("nlp", TEXTS))
    await wait_for_keys(redis)
    await cast("Any", redis).flushall()
    with pytest.raises(TaskFailed) as lost:
        await call
    assert (lost.value.code, lost.value.retryable) == ("task_lost", True)


async def test_without_a_worker_the_deadline_comes(mesh: Mesh, redis: Redis) -> None:
    """It is kept to, its error is a `TimeoutError` that says what is missing, and no job is left for later."""
    before = time.monotonic()
    with pytest.raises(TimeoutError, match=r"nlp was not taken up by a worker within 0\.3 s"):
        await mesh.call("nlp", TEXTS, deadline=0.3)
    assert time.monotonic() - before < 20
    assert await left(redis) == []


async def test_a_deadline_ends_the_work(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """Watchers of the task are told that it has expired; the worker drops it and does the next one."""
    engine, heard, stall = FakeEngine(), redis.pubsub(ignore_subscribe_messages=True), threading.Event()
    async with working(STAGES[StageName.NLP], engine, settings), heard:
        await mesh.call("nlp", TEXTS[:1])  # whoever is to take the next one is there
        await cast("Any", heard).psubscribe("audio_stream:*")
        engine.do = once(LATER, lambda: stall.wait(60))
        with pytest.raises(DeadlineExceeded, match="nlp was not done within 3 s"):
            await mesh.call("nlp", TEXTS, deadline=3)
        assert await left(redis) == []
        stall.set()
        assert len((await mesh.call("nlp", TEXTS)).segments) == MANY
        ends: list[bytes] = []
        while b"completed" not in ends:
            message = await heard.get_message(timeout=20.0)
            said = message["data"] if message else b""
            ends += [step for step in (b"expired", b"completed") if b'"step":"%s"' % step in said]
    assert ends == [b"expired", b"completed"]


async def test_a_caller_that_is_cancelled_ends_the_work(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """Also before a worker has begun, and when only a loop over records is left early."""
    call = asyncio.create_task(mesh.call("nlp", TEXTS))
    await wait_for_keys(redis)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await left(redis) == []
    stall = threading.Event()
    async with working(STAGES[StageName.NLP], FakeEngine(once(LATER, lambda: stall.wait(20))), settings):
        async with mesh.stream("nlp", TEXTS) as records:
            assert await anext(records) == Segment(index=1, start=0, end=0, text="Sentence 1.")
        assert not [key for key in await left(redis) if key.startswith("vm:{")]
        stall.set()
        await until_nothing_is_left(redis)


@pytest.mark.parametrize(
    ("stage", "source", "message"),
    [
        ("dance", [], "dance"),
        ("asr", ["text"], "asr takes a recording"),
        ("nlp", Path("sound.wav"), "nlp takes sentences"),
    ],
)
async def test_calls_that_cannot_be_are_refused(
    mesh: Mesh, redis: Redis, stage: str, source: Any, message: str
) -> None:
    """At once, before anything is in Redis."""
    with pytest.raises(ValueError, match=message):
        await mesh.call(stage, source)
    with pytest.raises(Permanent, match="not a language"):
        await mesh.call("translate", TEXTS, target_language="no such language")
    assert await left(redis) == []
