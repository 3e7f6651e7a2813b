"""Direct calls of one stage over Redis."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from shared import mesh as module
from shared.errors import DeadlineExceeded, Permanent, TaskFailed
from shared.mesh import Mesh
from shared.messages import Document, Record, Segment, StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.form import wav
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import worker_process, working

LATER, MANY = 65, 70
"""A stage takes 64 sentences at a time: the rest is another batch."""
TEXTS = [f"Sentence {number}." for number in range(1, MANY + 1)]
SENTENCES = [
    Segment(index=7 * number, start=number, end=number + 1, text=f"Sentence {number}.") for number in (1, 2, 3)
]


def once(number: int, do: Callable[[], object]) -> Callable[[int], None]:
    """What a fake engine does: `do` at segment `number`, the first time it gets there."""
    done = threading.Event()

    def at(current: int) -> None:
        if current == number and not done.is_set():
            done.set()
            do()

    return at


async def left(redis: Redis) -> list[str]:
    """The keys of tasks, of jobs and of the list of tasks that are still there."""
    return [
        key.decode() async for key in redis.scan_iter() if key.startswith((b"vm:{", b"vm:tasks", b"arq:", b"vm:watch"))
    ]


async def until_nothing_is_left(redis: Redis) -> None:
    async def clean() -> bool:
        return not await left(redis)

    await wait_until(clean, description="the call has left nothing")


async def wait_for_keys(redis: Redis) -> None:
    async def submitted() -> bool:
        return bool(await left(redis))

    await wait_until(submitted, description="the call is submitted")


def numbers(records: Iterable[Record]) -> list[int]:
    return [record.index for record in records if isinstance(record, Segment)]


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


async def test_without_a_worker_the_deadline_comes(mesh: Mesh, redis: Redis) -> None:
    """It is kept to, its error is a `TimeoutError` that says what is missing, and no job is left for later."""
    before = time.monotonic()
    with pytest.raises(TimeoutError, match=r"nlp was not taken up by a worker within 0\.3 s"):
        await mesh.call("nlp", TEXTS, deadline=0.3)
    assert time.monotonic() - before < 2
    assert await left(redis) == []


async def test_a_deadline_ends_the_work(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """Watchers of the task are told that it has expired; the worker drops it and does the next one."""
    engine, heard = FakeEngine(), redis.pubsub(ignore_subscribe_messages=True)
    async with working(STAGES[StageName.NLP], engine, settings), heard:
        await cast("Any", heard).psubscribe("audio_stream:*")
        engine.do = once(LATER, lambda: time.sleep(1.5))
        with pytest.raises(DeadlineExceeded, match="nlp was not done within 1 s"):
            await mesh.call("nlp", TEXTS, deadline=1)
        assert await left(redis) == []
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


async def test_a_killed_worker_is_followed_by_another(
    mesh: Mesh, redis: Redis, settings: BaseSettings, tmp_path: Path
) -> None:
    """The next attempt goes on behind what is written: the caller has each sentence once."""
    diary = tmp_path / "diary"
    environ = {"LEASE_SECONDS": "1", "FAKE_DIARY": str(diary)}
    with worker_process(StageName.TRANSLATE, settings, {**environ, "FAKE_STALL_AT": str(LATER)}) as first:
        call = asyncio.create_task(mesh.call("translate", TEXTS))
        await wait_until(
            lambda: diary.exists() and f"{LATER}\n" in diary.read_text(), description="the first worker stalls"
        )
        first.kill()
        with worker_process(StageName.TRANSLATE, settings, environ):
            segments, _ = await call
            await until_nothing_is_left(redis)
    assert numbers(segments) == list(range(1, MANY + 1))
    assert diary.read_text().splitlines().count("1") == 1


async def test_redis_restarts_in_the_middle(durable_server: RedisServer, tmp_path: Path) -> None:
    """The call waits for it as the worker does, and goes on where it was."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    asleep, wake = threading.Event(), threading.Event()

    def sleep() -> None:
        asleep.set()
        wake.wait(20)

    engine = FakeEngine(once(LATER, sleep))
    async with working(STAGES[StageName.TRANSLATE], engine, settings), Mesh(settings) as mesh:
        call = asyncio.create_task(mesh.call("translate", TEXTS, deadline=40))
        await wait_until(asleep.is_set, description="the stage is at work")
        durable_server.stop()
        await asyncio.wait([call], timeout=0.5)
        durable_server.start()
        wake.set()
        segments, _ = await call
    assert numbers(segments) == list(range(1, MANY + 1))


async def test_an_absent_redis_does_not_outlast_the_deadline(durable_server: RedisServer, tmp_path: Path) -> None:
    """Neither the call nor its clean-up waits for ever, and the `Mesh` can be closed."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    async with Mesh(settings) as mesh:
        durable_server.pause()
        before = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await mesh.call("translate", TEXTS, deadline=0.5)
    assert time.monotonic() - before < 5


async def test_a_hundred_calls_share_few_connections(mesh: Mesh, redis: Redis, settings: BaseSettings) -> None:
    """Each gets its own answer; there are never more connections than commands that may run, and one that listens."""
    client = cast("Any", redis)
    async with working(STAGES[StageName.TRANSLATE], FakeEngine(), settings):
        calls = [asyncio.create_task(mesh.call("translate", [f"Sentence {number}."])) for number in range(100)]
        most = 0
        while not all(call.done() for call in calls):
            most = max(most, sum(each["name"] == "mesh" for each in await client.client_list()))
        answers = [(await call).segments[0].translation for call in calls]
        await until_nothing_is_left(redis)
    assert answers == [f"Frase {number}." for number in range(100)]
    assert most <= module.CONNECTIONS + 1


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
