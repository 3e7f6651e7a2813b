"""Texts over real HTTP: what is taken, what is refused and how, and that a text goes through the mesh unchanged."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from services.gateway.intake import texts
from services.gateway.settings import Settings
from shared import codec, keys, presence, tasks
from shared.messages import Document, Segment, StageName, State, Step
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.form import form, part
from tests.fakes.gateway import frames, served, watched
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import until_ended, working

PATH = "/text/process-stream-realtime"
FORM = {"Content-Type": "multipart/form-data; boundary=X"}
LETTER = "Dear Maria,\n\nthe first sentence is here. The second one follows!\r\nIs there a third?\n"


@pytest.fixture
def gateway_settings(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=settings.redis_url,
        blob_url=settings.blob_url,
        spool_dir=tmp_path / "spool",
        max_text_characters=1_000,
    )


@pytest.fixture
async def client(gateway_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(gateway_settings) as client:
        yield client


@pytest.fixture
async def workers(settings: BaseSettings) -> AsyncIterator[None]:
    """A worker of each stage but asr."""
    async with AsyncExitStack() as running:
        for name in (StageName.TRANSLATE, StageName.NLP, StageName.INSIGHTS):
            await running.enter_async_context(working(STAGES[name], FakeEngine(), settings))
        yield


async def accepted(client: httpx.AsyncClient, body: bytes) -> str:
    """The id of the task that `body` has created; its stream is left at once."""
    async with client.stream("POST", PATH, content=body, headers=FORM) as response:
        assert response.status_code == 200, await response.aread()
        return response.headers["x-task-id"]


async def source(redis: Redis, task_id: str) -> tuple[list[Segment], Document]:
    """The input of a text task."""
    entries = await redis.xrange(keys.out(task_id, keys.SOURCE))
    *segments, document = [codec.decode_record(fields[b"record"]) for _, fields in entries]
    assert isinstance(document, Document)
    assert all(isinstance(segment, Segment) for segment in segments)
    return [segment for segment in segments if isinstance(segment, Segment)], document


@pytest.mark.usefixtures("workers")
async def test_a_text_takes_all_steps_but_transcription(client: httpx.AsyncClient, redis: Redis) -> None:
    """The stream is that of a recording without its transcription: progress rises from 5 to 100, each step once."""
    body = form(
        part("text", LETTER.encode()),
        part("language", b"en"),
        part("include_translation", b"true"),
        part("include_insights", b"true"),
    )
    async with client.stream("POST", PATH, content=body, headers=FORM) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        task_id = response.headers["x-task-id"]
        sent = [frame async for frame in frames(response)]
    events = [codec.decode_event(data) for _, data in sent]
    assert [(event.step, event.progress) for event in events] == [
        (Step.STARTED, 5),
        (Step.TRANSLATION, 38),
        (Step.TRANSLATION, 42),
        (Step.TRANSLATION, 46),
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
    result = codec.decode_result(events[-1].partial_result)
    assert [segment.text for segment in result.segments] == [
        "Dear Maria,",
        "the first sentence is here.",
        "The second one follows!",
        "Is there a third?",
    ]
    assert (result.no_speech, result.duration, result.coverage, result.language) == (False, 0.0, 1.0, "en")
    assert await watched(client, f"/audio/tasks/{task_id}/events") == sent
    assert await redis.zcard(keys.queue(StageName.ASR)) == 0


@pytest.mark.usefixtures("workers")
async def test_white_space_between_sentences_stays(client: httpx.AsyncClient) -> None:
    """Transcript and translation have the paragraphs and line ends that were sent, live, in the log and in the end."""
    body = form(part("text", LETTER.encode()), part("include_translation", b"true"))
    async with client.stream("POST", PATH, content=body, headers=FORM) as response:
        path = f"/audio/tasks/{response.headers['x-task-id']}/events"
        sent = [frame async for frame in frames(response)]
    assert await watched(client, path) == sent
    events = [codec.decode_event(data) for _, data in sent]
    told = [json.loads(bytes(event.partial_result))["translation"] for event in events[1:6]]
    assert told[1] == "Dear Maria,\n\nthe first sentence is here."
    assert told[3] == told[4] == LETTER.strip()
    result = codec.decode_result(events[-1].partial_result)
    assert result.transcript == result.translation == LETTER.strip()


@pytest.mark.usefixtures("workers")
async def test_the_shortest_route(client: httpx.AsyncClient) -> None:
    """Without translation and insights, nlp alone makes the result; the steps go on from 5 to 60. /text/tasks answers
    at once, and names the task."""
    submitted = await client.post("/text/tasks", content=form(part("text", b"One sentence.")), headers=FORM)
    task_id = submitted.json()["task_id"]
    assert (submitted.status_code, submitted.headers["location"]) == (202, f"/audio/tasks/{task_id}")
    events = [codec.decode_event(data) for _, data in await watched(client, f"/audio/tasks/{task_id}/events")]
    assert [event.progress for event in events] == [5, 60, 65, 70, 75, 80, 85, 100]
    state = (await client.get(f"/audio/tasks/{task_id}")).json()
    assert (state["state"], state["route"]) == ("completed", ["nlp"])


@pytest.mark.parametrize(
    "text",
    [
        "a\u2028b\x0bc\x85d\r\ne",
        "line one\r\nline two\rline three\nline four",
        "👩‍👩‍👧‍👦 went to 🇵🇹 ❤️",
        "\u202bمرحبا بالعالم\u202c said \u2067שלום\u2069",
        "e\u0301 is not é; ﷺ \U0001f468\U0001f3fd; \x01\x1b\x7f",
        'data: {"step":"completed","partial_result":{"translation":null,"segment":1}}',
        "<script>alert(1)</script> \\ \" ' % {} {task_id}",
    ],
)
@pytest.mark.usefixtures("workers")
async def test_every_character_survives(client: httpx.AsyncClient, text: str) -> None:
    """What goes in as one sentence comes out of record, event and result to the last code point."""
    async with client.stream("POST", PATH, content=form(part("text", text.encode())), headers=FORM) as response:
        *_, (_, last) = [frame async for frame in frames(response)]
    assert json.loads(last)["partial_result"]["transcript"] == text
    (segment,) = codec.decode_result(codec.decode_event(last).partial_result).segments
    assert segment.text == text


async def test_field_and_file_are_the_same(client: httpx.AsyncClient, redis: Redis) -> None:
    """`-F text=…` and `-F text=@letter.txt` make the same segments; a file gives the task its name. A mark at the start
    of the file is no part of the text, and it matters not where options stand."""
    options = part("language", b"English"), part("entity_labels", b"person, place")
    as_field = await accepted(client, form(part("text", LETTER.encode()), *options))
    letter = part("text", b"\xef\xbb\xbf" + LETTER.encode(), disposition='; filename="letter.txt"', kind="text/plain")
    as_file = await accepted(client, form(*options, letter))
    assert await source(redis, as_field) == await source(redis, as_file)
    task = await tasks.read(redis, as_file)
    assert task is not None
    assert (task.name, task.blob, task.options.language) == ("letter.txt", "", "en")
    assert task.options.entity_labels == ("person", "place")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The weather is nice today. We will go to the beach with the children.", "en"),
        ("O tempo está bom hoje. Nós vamos à praia com as crianças.", "pt"),
        ("אנחנו הולכים לים עם הילדים היום", "he"),
        ("42 / 7", None),
    ],
)
async def test_the_language_is_found(client: httpx.AsyncClient, redis: Redis, text: str, language: str | None) -> None:
    """Without `language` each segment and the end record tell what the text is in, or nothing where there is too little
    to tell."""
    segments, document = await source(redis, await accepted(client, form(part("text", text.encode()))))
    assert {segment.language for segment in segments} == {language} == {document.language}
    assert (document.language_score is None) == (language is None)


async def test_a_language_that_is_named_is_taken(client: httpx.AsyncClient, redis: Redis) -> None:
    """The client knows better."""
    body = form(part("text", b"The weather is nice today."), part("language", b"nl"))
    segments, document = await source(redis, await accepted(client, body))
    assert (segments[0].language, document.language, document.language_score) == ("nl", "nl", None)


BAD = {
    "no text": (form(part("language", b"en")), 400, "text_missing", "'text'"),
    "nothing": (form(), 400, "text_missing", "'text'"),
    "empty": (form(part("text", b"")), 422, "empty_text", "blank"),
    "blank": (form(part("text", " \r\n\t\u3000\u2028".encode())), 422, "empty_text", "blank"),
    "without a width": (form(part("text", "\u200b\u202e\u2060 ".encode())), 422, "empty_text", "blank"),
    "twice": (form(part("text", b"a"), part("text", b"b")), 400, "field_twice", "'text'"),
    "too long": (form(part("text", b"a" * 1_001)), 413, "text_too_long", "1,000"),
    "too long by far": (form(part("text", b"a" * 2_000_000)), 413, "text_too_long", "1,000"),
    "not UTF-8": (form(part("text", "Olá".encode("latin-1"))), 400, "bad_field", "UTF-8"),
    "binary": (form(part("text", b"PK\x03\x04\0\0")), 400, "bad_field", "NUL"),
    "an option of recordings": (form(part("text", b"a"), part("diarize", b"1")), 400, "unknown_field", "'text'"),
    "a recording": (form(part("audio", b"a")), 400, "unknown_field", "'text'"),
    "a bad option": (form(part("text", b"a"), part("include_insights", b"2")), 400, "bad_field", "include_insights"),
    "cut off": (form(part("text", b"a"))[:-4], 400, "bad_form", "incomplete"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_is_refused(client: httpx.AsyncClient, redis: Redis, case: str) -> None:
    """Each with its code and a sentence that helps, and without a trace in Redis."""
    body, status, code, said = BAD[case]
    answer = await client.post(PATH, content=body, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert said in answer.json()["detail"]
    assert [key async for key in redis.scan_iter("vm:{*")] == []


async def test_what_is_no_form_is_refused(client: httpx.AsyncClient) -> None:
    """JSON is answered with what to send instead."""
    answer = await client.post(PATH, json={"text": "Hello."})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_form")
    assert "-F text=" in answer.json()["detail"]


async def test_the_longest_text_is_taken(client: httpx.AsyncClient, redis: Redis) -> None:
    """The limit counts characters, not bytes."""
    await accepted(client, form(part("text", ("𝄞" * 1_000).encode())))
    assert len([key async for key in redis.scan_iter("vm:{*}:task")]) == 1


async def test_too_many_lines_are_refused(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of segments has a limit of its own, which the answer tells."""
    monkeypatch.setattr(texts, "MOST_SEGMENTS", 3)
    answer = await client.post(PATH, content=form(part("text", b"a\n\nb\n\nc\n\nd")), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "text_too_long")
    assert "4 sentences" in answer.json()["detail"]


async def test_t07_a_pair_that_nobody_offers_is_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    """As for a recording; what the recognisers understand does not matter."""
    offers = [{"sources": ["en"], "targets": ["pt"]}]
    await presence.announce(redis, StageName.TRANSLATE, "a", {"offers": offers})
    await presence.announce(redis, StageName.ASR, "a", {"languages": ["en"]})

    async def known() -> bool:
        return bool((await client.get("/audio/capabilities")).json()["pairs"])

    await wait_until(known, description="the gateway knows the translator")
    wanted = part("text", b"Bonjour."), part("language", b"fr")
    answer = await client.post(PATH, content=form(*wanted, part("include_translation", b"1")), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_pair")
    await accepted(client, form(*wanted))


@pytest.mark.usefixtures("workers")
async def test_the_same_key_is_the_same_task(client: httpx.AsyncClient) -> None:
    """A text that is sent again is the task that it was; another text under its key is a conflict."""
    headers = FORM | {"Idempotency-Key": "k"}
    streams: list[list[tuple[str, bytes]]] = []
    for replayed in (None, "true"):
        body = form(part("text", LETTER.encode()))
        async with client.stream("POST", PATH, content=body, headers=headers) as response:
            assert response.headers.get("idempotent-replayed") == replayed
            streams.append([frame async for frame in frames(response)])
    assert streams[0] == streams[1]
    answer = await client.post(PATH, content=form(part("text", b"Another.")), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


async def test_a_killed_stage_goes_on(client: httpx.AsyncClient, redis: Redis, settings: BaseSettings) -> None:
    """The input stays until the task ends, so that a second attempt at the first stage finds it and repeats nothing."""
    failed: list[int] = []

    def fail_once(number: int) -> None:
        if number == 2 and not failed:
            failed.append(number)
            raise MemoryError

    text = "\n\n".join(f"Line {number}" for number in range(1, 80))
    task_id = await accepted(client, form(part("text", text.encode())))
    async with working(STAGES[StageName.NLP], FakeEngine(fail_once), settings):
        log = await until_ended(redis, task_id)
    result = codec.decode_result(log[-1].partial_result)
    assert failed == [2]
    assert result.transcript == text
    assert await redis.hget(keys.task(task_id), "state") == State.COMPLETED.encode()
