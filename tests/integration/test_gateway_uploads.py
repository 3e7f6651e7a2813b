"""Uploads over real HTTP: what is taken, what is refused and how, and that nothing stays behind."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from services.gateway.settings import Settings
from shared import keys, tasks
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.form import form, part, wav
from tests.fakes.gateway import blocks, served
from tests.fakes.place import Place

LIMIT = 300_000


FORM = {"Content-Type": "multipart/form-data; boundary=X"}
SOUND = wav()
FILE = part("audio", SOUND, disposition='; filename="a.wav"')


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Place:
    return Place(redis, tmp_path)


@pytest.fixture
def gateway_settings(settings: BaseSettings, place: Place) -> Settings:
    return Settings(
        redis_url=settings.redis_url,
        blob_url=settings.blob_url,
        spool_dir=place.spool,
        max_upload_bytes=LIMIT,
        max_audio_seconds=5.0,
    )


@pytest.fixture
async def client(gateway_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(gateway_settings) as client:
        yield client


async def submit(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await client.post("/audio/tasks", content=body, headers=FORM)


async def accepted(client: httpx.AsyncClient, redis: Redis, body: bytes) -> tasks.Task:
    """The task that `body` has created."""
    answer = await submit(client, body)
    assert answer.status_code == 202, answer.text
    task = await tasks.read(redis, answer.json()["task_id"])
    assert task is not None
    return task


async def test_a_recording_becomes_a_task(client: httpx.AsyncClient, redis: Redis, place: Place) -> None:
    """The answer names the task and its links; the recording lies in the blob store, the job in the queue."""
    answer = await client.post(
        "/audio/tasks",
        files={"audio": ("my file.wav", SOUND)},
        data={"language": "English", "include_translation": "YES", "target_language": "pt-BR", "topics": "a, b,,a"},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == body["links"]["self"] == f"/audio/tasks/{body['task_id']}"
    task = await tasks.read(redis, body["task_id"])
    assert task is not None
    assert task.route == (StageName.ASR, StageName.TRANSLATE, StageName.NLP)
    assert (task.name, task.options.language, task.options.target_language) == ("my file.wav", "en", "pt")
    assert task.options.topics == ("a", "b")
    assert (place.blobs / task.blob).read_bytes() == SOUND
    assert place.uploads() == []
    assert await redis.zcard(keys.queue(StageName.ASR)) == 1


async def test_submitting_with_a_stream(client: httpx.AsyncClient) -> None:
    """The stream begins at once and names its task."""
    async with client.stream("POST", "/audio/process-stream-realtime", files={"audio": SOUND}) as response:
        assert response.status_code == 200
        assert await anext(blocks(response)) == b": open"
        task_id = response.headers["x-task-id"]
        assert f"</audio/tasks/{task_id}>" in response.headers["link"]
    assert (await client.get(f"/audio/tasks/{task_id}")).json()["state"] == "queued"


REFUSALS: dict[str, tuple[bytes, int, str, str]] = {
    "no file": (form(part("language", b"en")), 400, "audio_missing", "'audio'"),
    "nothing at all": (form(), 400, "audio_missing", "'audio'"),
    "no file chosen": (form(part("audio", b"", disposition='; filename=""')), 400, "audio_missing", "'audio'"),
    "file as text": (form(part("audio", b"a.wav")), 400, "audio_not_a_file", "@"),
    "two files": (form(FILE, FILE), 400, "audio_twice", "one file"),
    "unknown field": (form(part("langauge", b"en"), FILE), 400, "unknown_field", "'langauge'"),
    "file in another field": (
        form(part("file", SOUND, disposition='; filename="a.wav"')),
        400,
        "unknown_field",
        "'audio'",
    ),
    "option twice": (form(part("language", b"en"), part("language", b"pt"), FILE), 400, "field_twice", "'language'"),
    "bad boolean": (form(FILE, part("include_insights", b"maybe")), 400, "bad_field", "'include_insights'"),
    "bad choice": (form(FILE, part("channels", b"left")), 400, "bad_field", "'channels'"),
    "bad language": (form(FILE, part("language", b"qqqqq")), 400, "unsupported_language", "'language'"),
    "bad text": (form(FILE, part("hotwords", b"\xff\xfe")), 400, "bad_field", "'hotwords'"),
    "long text": (form(FILE, part("initial_prompt", b"x" * 3_000)), 400, "bad_field", "'initial_prompt'"),
    "huge text": (form(part("initial_prompt", b"x" * 20_000), FILE), 400, "field_too_long", "'initial_prompt'"),
    "many labels": (form(FILE, part("topics", b"%b" % b",".join(b"l%d" % n for n in range(60)))), 400, "bad_field", ""),
    "cut off": (form(FILE)[:-400], 400, "bad_form", "incomplete"),
    "no form": (b"hello", 400, "bad_form", ""),
    "nothing to mask": (form(FILE, part("redact", b" , ")), 400, "bad_field", "'redact'"),
    "too large": (form(part("audio", bytes(LIMIT + 1), disposition='; filename="a"')), 413, "too_large", "300,000"),
    "much too large": (form(part("audio", bytes(2_000_000), disposition='; filename="a"')), 413, "too_large", ""),
    "too long": (form(part("audio", wav(6), disposition='; filename="a.wav"')), 413, "too_long", "6.0 seconds"),
    "zero bytes": (form(part("audio", b"", disposition='; filename="a.wav"')), 422, "empty_audio", "0 bytes"),
    "only a header": (form(part("audio", wav(0), disposition='; filename="a.wav"')), 422, "empty_audio", ""),
    "text": (form(part("audio", b"plain text\n", disposition='; filename="a.wav"')), 415, "unsupported_media", ""),
    "a zip": (
        form(part("audio", b"PK\x03\x04" + bytes(900), disposition='; filename="a.wav"')),
        415,
        "unsupported_media",
        "",
    ),
}


async def test_u14_u15_u16_what_cannot_be_done_is_refused(client: httpx.AsyncClient, place: Place) -> None:
    """A clear problem with a stable code, nothing of the inside, and nothing left behind; the next one is taken."""
    for case, (body, status, code, hint) in REFUSALS.items():
        answer = await submit(client, body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), case
        assert problem["status"] == status
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert hint in problem["detail"], case
        for inner in (str(place.spool), "Traceback", "ffmpeg", "libav", "av.", "multipart.", "redis", "Error"):
            assert inner not in answer.text, case
        assert await place.is_clean(), case
    assert (await submit(client, form(FILE))).status_code == 202


async def test_other_kinds_of_body_are_refused(client: httpx.AsyncClient) -> None:
    """A body that is no form gets a 400 that says what to send."""
    for kind in ("application/json", "", "multipart/form-data", "multipart/form-data; boundary="):
        answer = await client.post("/audio/tasks", content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (400, "not_a_form"), kind


async def test_u20_order_does_not_matter(client: httpx.AsyncClient, redis: Redis) -> None:
    """Options count before and behind the file."""
    option = part("language", b"en-US")
    before = await accepted(client, redis, form(option, FILE))
    behind = await accepted(client, redis, form(FILE, option))
    assert before.options.language == behind.options.language == "en"
    assert before.options == behind.options


NAMES = {
    '; filename="запись 会议.wav"': "запись 会议.wav",
    "; filename*=UTF-8''%D0%B7%D0%B0%D0%BF.wav": "зап.wav",
    "; filename=\"x.wav\"; filename*=UTF-8''%D0%B7%D0%B0%D0%BF.wav": "зап.wav",
    '; filename="../../../etc/cron.d/x.wav"': "../../../etc/cron.d/x.wav",
    '; filename="-i.wav"': "-i.wav",
    f'; filename="{"x" * 5000}.wav"': "x" * 255,
    '; filename="a\x00\tb.wav"': "a\x00\tb.wav",
    '; filename="C:\\x\\y.wav"': "y.wav",  # Internet Explorer sent the whole path
    '; filename="caf\udce9.wav"': "caf\ufffd.wav",  # Latin-1
    '; filename=""': "",
}


async def test_u17_u18_file_names_are_only_data(client: httpx.AsyncClient, redis: Redis, place: Place) -> None:
    """A name comes back as it was sent, as far as it is UTF-8, and decides about no path."""
    created: list[str] = []
    for disposition, name in NAMES.items():
        task = await accepted(client, redis, form(part("audio", SOUND, disposition=disposition)))
        assert (await client.get(f"/audio/tasks/{task.task_id}")).json()["name"] == task.name == name
        created.append(task.task_id)
    assert sorted(path.name for path in place.blobs.iterdir()) == sorted(created)


async def test_u05_the_declared_type_does_not_matter(client: httpx.AsyncClient, redis: Redis) -> None:
    """The bytes decide."""
    for kind in ("", "application/octet-stream", "audio/webm; codecs=opus", "audio/mp3"):
        await accepted(client, redis, form(part("audio", SOUND, disposition='; filename="a"', kind=kind)))


async def test_u21_a_chunked_upload_is_counted_as_it_comes(client: httpx.AsyncClient, place: Place) -> None:
    """Without a declared length, the limit holds all the same, long before the end of an endless body."""

    async def endless() -> AsyncIterator[bytes]:
        yield part("audio", b"", disposition='; filename="a"')[:-2]
        for _ in range(100):
            yield bytes(64 << 10)

    answer = await client.post("/audio/tasks", content=endless(), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert await place.is_clean()

    async def shapeless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(64 << 10)

    answer = await client.post("/audio/tasks", content=shapeless(), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    async def short() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    body = form(FILE)
    assert (await client.post("/audio/tasks", content=short(), headers=FORM)).status_code == 202


async def test_a_store_that_is_full_is_no_fault_of_the_client(
    client: httpx.AsyncClient, place: Place, break_folder: Callable[[Path], None]
) -> None:
    """When the upload cannot be written, the client is told to come back."""
    break_folder(place.spool)
    answer = await submit(client, form(FILE))
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert str(place.spool) not in answer.text


@pytest.fixture
def break_folder() -> Callable[[Path], None]:
    """Takes a folder away, so that nothing can be written to it."""

    def take_away(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.write_text("no folder")

    return take_away
