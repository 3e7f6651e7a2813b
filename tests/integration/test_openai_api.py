"""The official `openai` package, unchanged, against a gateway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
import openai
import pytest
from openai import AsyncOpenAI

from services.gateway.app import Server
from services.gateway.settings import Settings
from shared import presence, tasks
from shared.messages import Document, Segment, StageName, State, Step, Transcript, Word
from shared.redis import Redis
from shared.settings import BaseSettings
from shared.stage import Emit, Stage, Work
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import client_of, serving
from tests.fakes.openai_client import openai_of
from tests.fakes.stages import STAGES, FakeEngine
from tests.fakes.tenants import ENTRIES, STRANGER, WEB
from tests.mesh import working

SOUND = ("talk.wav", wav())
SENTENCES = ("Good morning.", "How are you?", "Fine, thanks.")
MODEL = "whisper-1"


async def _talk(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Two people, one sentence a second."""
    for number, text in enumerate(SENTENCES[len(work.written) :], len(work.written) + 1):
        await work.compute(engine.do, number)
        at, words = number - 1.0, text.split()
        length = 0.9 / len(words)
        timed = tuple(
            Word(text=word, start=at + place * length, end=at + (place + 1) * length, score=0.9)
            for place, word in enumerate(words)
        )
        speaker = f"SPEAKER_0{number % 2}" if work.options.diarize else None
        segment = Segment(index=number, start=at, end=at + 0.9, text=text, words=timed, speaker=speaker, language="en")
        await emit.segments([segment], done=number / len(SENTENCES))
    text = " ".join(segment.text for segment in work.written)
    emit.step(
        Step.TRANSCRIPTION_COMPLETE,
        Transcript(transcript=text, language="en", duration=3.0, segments=tuple(work.written)),
    )
    return Document(segments=len(work.written), duration=3.0, language="en", coverage=1.0)


TALK: Stage = msgspec.structs.replace(STAGES[StageName.ASR], run=_talk)
SAID = " ".join(SENTENCES)


async def failed(call: Awaitable[object]) -> openai.APIStatusError:
    """The error that the call ends with."""
    with pytest.raises(openai.APIStatusError) as caught:
        await call
    return caught.value


@pytest.fixture
async def server(gateway_settings: Settings) -> AsyncIterator[Server]:
    async with serving(gateway_settings) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with openai_of(server) as client:
        yield client


@pytest.fixture
async def talking(server: Server, settings: BaseSettings) -> AsyncIterator[None]:  # noqa: ARG001 - stops after it
    about = {"model": "whisper-base", "follows": ["diarize"]}
    async with working(TALK, FakeEngine(about=about), settings):
        yield


@pytest.mark.usefixtures("talking")
async def test_json_is_the_text(client: AsyncOpenAI) -> None:
    """The default format has the text, the language and how much was heard; the task's id is that of the request."""
    raw = await client.audio.transcriptions.with_raw_response.create(file=SOUND, model=MODEL)
    answer = raw.parse()
    assert answer.text == SAID
    assert answer.usage is not None
    assert (answer.usage.type, getattr(answer.usage, "seconds", None)) == ("duration", 3.0)
    assert [language.code for language in answer.languages or ()] == ["en"]
    assert raw.headers["x-task-id"] == raw.headers["x-request-id"]


@pytest.mark.usefixtures("talking")
async def test_text_and_subtitles_are_text(client: AsyncOpenAI) -> None:
    """`text`, `srt` and `vtt` come as they are."""
    create = client.audio.transcriptions.create
    assert await create(file=SOUND, model=MODEL, response_format="text") == f"{SAID}\n"
    srt = await create(file=SOUND, model=MODEL, response_format="srt")
    assert srt.startswith("1\r\n00:00:00,000 --> 00:00:")
    vtt = await create(file=SOUND, model=MODEL, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:")
    assert all(sentence in srt and sentence in vtt for sentence in SENTENCES)


@pytest.mark.usefixtures("talking")
async def test_verbose_json_has_what_was_asked_for(client: AsyncOpenAI) -> None:
    """Segments by default, words when they are named, both when both are."""
    create = client.audio.transcriptions.create
    plain = await create(file=SOUND, model=MODEL, response_format="verbose_json")
    assert (plain.text, plain.language, plain.duration) == (SAID, "english", 3.0)
    assert [(each.id, each.text.strip(), each.start) for each in plain.segments or ()] == [
        (number, text, float(number)) for number, text in enumerate(SENTENCES)
    ]
    assert plain.words is None
    words = await create(file=SOUND, model=MODEL, response_format="verbose_json", timestamp_granularities=["word"])
    assert [word.word for word in words.words or ()] == SAID.split()
    assert words.segments is None
    both = await create(
        file=SOUND, model=MODEL, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert len(both.words or ()) == len(SAID.split())
    assert len(both.segments or ()) == 3


@pytest.mark.usefixtures("talking")
async def test_diarized_json_names_speakers_by_letters(client: AsyncOpenAI) -> None:
    """In the order in which they speak."""
    answer = await client.audio.transcriptions.create(
        file=SOUND, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )
    assert (answer.text, answer.task, answer.duration) == (SAID, "transcribe", 3.0)
    assert [(each.speaker, each.text) for each in answer.segments] == list(zip("ABA", SENTENCES, strict=True))


@pytest.mark.usefixtures("talking")
async def test_a_stream_is_deltas_and_the_whole(client: AsyncOpenAI) -> None:
    """Each sentence is a delta; together they are the text of the end, which is filled. One that asks for it has
    segments, too, and what is asked for again comes again."""
    stream = await client.audio.transcriptions.create(file=SOUND, model=MODEL, stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta"] * 3 + ["transcript.text.done"]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == SAID
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == SAID
    assert getattr(events[-1].usage, "seconds", None) == 3.0

    for _ in range(2):
        stream = await client.audio.transcriptions.create(
            file=SOUND, model=MODEL, stream=True, response_format="diarized_json"
        )
        events = [event async for event in stream]
        segments = [event for event in events if event.type == "transcript.text.segment"]
        assert [(event.speaker, event.text) for event in segments] == list(zip("ABA", SENTENCES, strict=True))
        deltas = [event.segment_id for event in events if event.type == "transcript.text.delta"]
        assert deltas == [event.id for event in segments]


async def test_what_is_sent_again_is_the_same_task(
    server: Server, client: AsyncOpenAI, settings: BaseSettings, redis: Redis
) -> None:
    """A client that gives up too soon, and then sends the same bytes twice more by itself, has made one task, and gets
    its text as soon as that is there."""
    async with openai_of(server, seconds=0.3, retries=2) as hasty:
        with pytest.raises(openai.APITimeoutError):
            await hasty.audio.transcriptions.create(file=SOUND, model=MODEL, language="en")
    page = await tasks.newest(redis, "", count=10)
    assert [task.state for task in page.tasks] == [State.QUEUED]
    async with working(TALK, FakeEngine(), settings):
        raw = await client.audio.transcriptions.with_raw_response.create(file=SOUND, model=MODEL, language="en")
        assert raw.parse().text == SAID
        assert raw.headers["x-task-id"] == page.tasks[0].task_id
        other = await client.audio.transcriptions.with_raw_response.create(file=SOUND, model=MODEL, language="pt")
        assert other.headers["x-task-id"] != page.tasks[0].task_id


async def test_a_cancelled_task_is_an_error_and_the_next_is_a_new_one(
    server: Server, settings: BaseSettings, redis: Redis
) -> None:
    """Cancelling under `/audio/tasks` ends the wait at once; clients do not try again by themselves, but may."""
    async with openai_of(server, retries=2) as client, client_of(server) as http:

        async def cancel() -> bool:
            page = await tasks.newest(redis, "", count=10)
            for task in page.tasks:
                await http.delete(f"/audio/tasks/{task.task_id}")
            return bool(page.tasks)

        async def transcribe() -> str:
            return (await client.audio.transcriptions.create(file=SOUND, model=MODEL)).text

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(failed(transcribe()))
            await wait_until(cancel, description="there is a task")
        assert (waiting.result().status_code, waiting.result().code) == (409, "task_without_result")
        assert len((await tasks.newest(redis, "", count=10)).tasks) == 1
        async with working(TALK, FakeEngine(), settings):
            assert [await transcribe(), await transcribe()] == [SAID, SAID]
        assert len((await tasks.newest(redis, "", count=10)).tasks) == 2


async def test_a_failed_task_is_an_error_with_its_code(
    client: AsyncOpenAI, settings: BaseSettings, redis: Redis
) -> None:
    """As an answer and in a stream; the same sent again is another attempt."""

    def fail(_: int) -> None:
        raise MemoryError

    async with working(TALK, FakeEngine(fail), settings, max_attempts=1):
        error = await failed(client.audio.transcriptions.create(file=SOUND, model=MODEL))
        assert error.status_code in {422, 503}
        with pytest.raises(openai.APIError) as caught:
            async for _ in await client.audio.transcriptions.create(file=SOUND, model=MODEL, stream=True):
                pass
        assert caught.value.code == error.code
    assert [task.state for task in (await tasks.newest(redis, "", count=10)).tasks] == [State.FAILED] * 2


async def test_refusals_are_errors_of_the_package(client: AsyncOpenAI) -> None:
    """Each with its own code and the field at fault, as the exception that the package has for it."""
    create: Any = client.audio.transcriptions.create
    for arguments, kind, code, param in (
        ({"file": ("a.wav", b"This is no sound." * 100)}, openai.APIStatusError, "unsupported_media", None),
        ({"response_format": "docx"}, openai.BadRequestError, "bad_field", "response_format"),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "bad_field", "timestamp_granularities"),
        ({"include": ["logprobs"]}, openai.BadRequestError, "bad_field", "include"),
        (
            {"language": "en", "extra_body": {"languages[]": "pt"}},
            openai.BadRequestError,
            "conflicting_fields",
            "languages",
        ),
        ({"language": "jp"}, openai.BadRequestError, "unsupported_language", "language"),
        ({"extra_body": {"colour": "red"}}, openai.BadRequestError, "unknown_field", "colour"),
        ({"temperature": "hot"}, openai.BadRequestError, "bad_field", "temperature"),
        ({"temperature": 1.5}, openai.BadRequestError, "bad_field", "temperature"),
        ({"temperature": 1e-300, "language": "jp"}, openai.BadRequestError, "unsupported_language", "language"),
    ):
        error = await failed(create(**({"file": SOUND, "model": MODEL} | arguments)))
        assert isinstance(error, kind)
        assert (error.code, error.param) == (code, param), arguments
        assert error.type == "invalid_request_error"
    missing = await failed(client.post("/audio/transcriptions", cast_to=object, body={"model": MODEL}))
    assert (missing.status_code, missing.code) == (400, "not_a_form")
    nowhere = await failed(client.get("/embeddings", cast_to=object))
    assert (nowhere.status_code, nowhere.code) == (404, "no_such_path")


async def test_models_are_those_of_the_workers_and_aliases(client: AsyncOpenAI, redis: Redis) -> None:
    """A name that is none of them is refused once it is known what runs; until then any is taken to be right."""
    listed = [model.id async for model in await client.models.list()]
    assert listed[0] == MODEL
    assert (await client.models.retrieve(MODEL)).owned_by == "voxmesh"
    await presence.announce(redis, StageName.ASR, "w", {"model": "Systran/faster-whisper-base"})

    async def known() -> bool:
        return "Systran/faster-whisper-base" in [model.id async for model in await client.models.list()]

    await wait_until(known, description="the gateway knows the worker")
    assert (await client.models.retrieve("Systran/faster-whisper-base")).id == "Systran/faster-whisper-base"
    for call in (
        client.models.retrieve("tts-1"),
        client.audio.transcriptions.create(file=SOUND, model="tts-1"),
    ):
        error = await failed(call)
        assert isinstance(error, openai.NotFoundError)
        assert (error.code, error.param) == ("model_not_found", "model")


async def test_keys_are_bearer_keys(gateway_settings: Settings) -> None:
    """The package's key is the mesh's; a wrong one, or none, is what the package calls a failed authentication."""
    async with serving(msgspec.structs.replace(gateway_settings, api_keys=ENTRIES)) as server:
        async with openai_of(server, key=WEB) as client:
            assert [model.id async for model in await client.models.list()]
        async with openai_of(server, key=STRANGER) as client:
            error = await failed(client.models.retrieve(MODEL))
            assert isinstance(error, openai.AuthenticationError)
            assert (error.code, error.type) == ("invalid_api_key", "authentication_error")
        async with client_of(server) as http:
            bare = await http.get("/v1/models")
            assert (bare.status_code, bare.json()["error"]["code"]) == (401, "key_missing")
            assert bare.headers["www-authenticate"].startswith("Bearer")


async def test_a_gateway_that_stops_ends_the_wait(gateway_settings: Settings, redis: Redis) -> None:
    """With an answer upon which the package tries again; the task goes on."""
    async with serving(gateway_settings) as server, openai_of(server) as client, asyncio.TaskGroup() as group:
        waiting = group.create_task(failed(client.audio.transcriptions.create(file=SOUND, model=MODEL)))

        async def submitted() -> bool:
            return bool((await tasks.newest(redis, "", count=1)).tasks)

        await wait_until(submitted, description="there is a task")
        server.should_exit = True
        error = await waiting
    assert (error.status_code, error.response.headers["retry-after"]) == (503, "5")
    assert [task.state for task in (await tasks.newest(redis, "", count=2)).tasks] == [State.QUEUED]
