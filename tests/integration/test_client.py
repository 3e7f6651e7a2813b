"""`MeshClient` against gateways that are processes of their own."""

import asyncio
import hashlib
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared import tasks
from shared.client import MeshClient, MeshRefused, Update, _http
from shared.messages import Result, State, Step, Transcript, TranscriptPart, TranslationPart
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port
from tests.fakes.form import wav
from tests.fakes.task import LiveTask
from tests.mesh import gateway_process


async def all_of(updates: AsyncIterator[Update]) -> list[Update]:
    return [update async for update in updates]


async def test_a_recording_comes_back_step_by_step_typed(mesh_url: str, recording: Path) -> None:
    """Each event once and in order, its partial result as the type of its step; later calls see the same."""
    async with MeshClient(mesh_url) as client:
        updates = await all_of(
            client.watch(
                recording, language="en", include_translation=True, include_insights=True, topics=["work", "play"]
            )
        )
        task_id = updates[0].task_id
        again = await all_of(client.events(task_id, after=updates[4].id))
        task = await client.task(task_id)
    assert [update.id for update in updates] == [f"{number}-0" for number in range(1, len(updates) + 1)]
    assert again == updates[5:]
    assert {type(update.partial) for update in updates} > {TranscriptPart, Transcript, TranslationPart, Result}
    assert isinstance(result := updates[-1].partial, Result)
    assert result.translation == "Frase 1. Frase 2. Frase 3."
    assert (task.step, task.progress, task.name) == (Step.COMPLETED, 100, "sample.ogg")


async def test_who_has_had_the_end_gets_nothing_more(mesh_url: str) -> None:
    """Behind its last event a task has none: the iteration ends, it does not wait."""
    async with MeshClient(mesh_url) as client:
        updates = await all_of(client.watch(wav()))
        assert await all_of(client.events(updates[0].task_id, after=updates[-1].id)) == []


async def test_s08_a_stream_goes_on_at_the_gateway_that_follows(redis: Redis, settings: BaseSettings) -> None:
    """The gateway is killed in mid-stream and another started at its address: each event once, in order, those that
    were said while there was none as well."""
    port = free_port()
    task = await LiveTask(redis).create()
    async with MeshClient(f"http://127.0.0.1:{port}") as client:
        updates = client.events(task.task_id, deadline=60)
        with gateway_process(settings, port=port):
            for text in ("one", "two"):
                await task.say(text)
            seen = [await anext(updates), await anext(updates)]
        await task.say("three")
        with gateway_process(settings, port=port):
            seen.append(await anext(updates))
            await task.complete()
            seen += await all_of(updates)
    assert [update.id for update in seen] == ["1-0", "2-0", "3-0", "4-0"]
    assert [update.data for update in seen] == task.log


async def test_a_connection_that_has_fallen_silent_is_given_up(
    redis: Redis, settings: BaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that stands still sends no pings: the client comes back until it is answered, and misses nothing."""
    monkeypatch.setattr(_http, "_STREAM", httpx.Timeout(1.0))
    port = free_port()
    task = await LiveTask(redis).create()
    with gateway_process(settings, port=port, environ={"PING_SECONDS": "0.2"}) as process:
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            updates = client.events(task.task_id, deadline=60)
            await task.say("one")
            seen = [await anext(updates)]
            process.send_signal(signal.SIGSTOP)
            await task.complete(aloud=False)
            rest = asyncio.create_task(all_of(updates))
            await asyncio.wait([rest], timeout=3)
            assert not rest.done()
            process.send_signal(signal.SIGCONT)
            seen += await rest
    assert [update.data for update in seen] == task.log


async def test_the_absence_of_redis_is_lived_through_or_told(durable_server: RedisServer, tmp_path: Path) -> None:
    """503 with Retry-After: whoever has less patience than that gets it at once, typed; others submit a bit later."""
    settings = BaseSettings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}/blobs")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with gateway_process(settings, port=port):
        async with MeshClient(url) as client, MeshClient(url, patience=2) as hasty:
            await client.submit(wav())
            durable_server.stop()
            with pytest.raises(MeshRefused) as refused:
                await hasty.submit(wav())
            assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "unavailable", 5)
            patient = asyncio.create_task(client.submit(wav()))
            await asyncio.wait([patient], timeout=1)
            durable_server.start()
            task_id = await patient
            assert (await client.task(task_id)).step is Step.QUEUED


@pytest.mark.parametrize("size", [8 << 20, 200 << 20])
async def test_a_refusal_in_the_middle_of_an_upload_is_typed(size: int, settings: BaseSettings, tmp_path: Path) -> None:
    """Too large a recording is refused before it has all been taken, from a file and from a stream alike."""
    port = free_port()
    path = tmp_path / "big.wav"
    with path.open("wb") as file:
        file.truncate(size)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(size >> 20):
            yield bytes(1 << 20)

    with gateway_process(settings, port=port, environ={"MAX_UPLOAD_BYTES": "100000"}):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            for audio in (path, stream(), path):
                with pytest.raises(MeshRefused) as refused:
                    await client.submit(audio, deadline=30)
                assert (refused.value.status, refused.value.code) == (413, "too_large")


async def test_refusals_name_field_and_code(mesh_url: str) -> None:
    """What the gateway says about a request is in the error: nothing of it is tried again."""
    async with MeshClient(mesh_url) as client:
        with pytest.raises(MeshRefused, match="two words") as refused:
            await client.submit(wav(), language="two words")
        assert (refused.value.status, refused.value.code, refused.value.field) == (
            400,
            "unsupported_language",
            "language",
        )
        with pytest.raises(MeshRefused) as unknown:
            await all_of(client.events("no such task"))
        assert (unknown.value.status, unknown.value.code) == (404, "no_such_task")


async def test_c01_twenty_submissions_with_one_key_are_one_task(mesh_url: str, recording: Path) -> None:
    """At the same moment, and again when the task has ended; another recording under the key is refused."""
    key = uuid.uuid4().hex
    async with MeshClient(mesh_url) as client:
        task_ids = await asyncio.gather(*(client.submit(recording, idempotency_key=key) for _ in range(20)))
        await all_of(client.events(task_ids[0]))
        again = await client.submit(recording, idempotency_key=key)
        assert {*task_ids, again} == {task_ids[0]}
        with pytest.raises(MeshRefused) as refused:
            await client.submit(wav(), idempotency_key=key)
        assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")


async def test_a_result_comes_as_data_and_as_files(mesh_url: str) -> None:
    """Typed, and as what people open; before the end and for what is not there it is refused, and not waited for."""
    async with MeshClient(mesh_url) as client:
        updates = await all_of(client.watch(wav(), include_translation=True))
        task_id = updates[-1].task_id
        assert await client.result(task_id) == updates[-1].partial
        assert "Sentence 2." in await client.result_as(task_id, "txt")
        assert "Frase 2." in await client.result_as(task_id, "vtt", translated=True)


async def test_a_result_that_is_not_there_yet_is_not_waited_for(redis: Redis, settings: BaseSettings) -> None:
    """The refusal says when to come back; `events` is what waits."""
    port = free_port()
    task = await LiveTask(redis).create()
    with gateway_process(settings, port=port):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(MeshRefused) as refused:
                await client.result(task.task_id, deadline=20)
    assert (refused.value.status, refused.value.code) == (409, "task_not_finished")
    assert refused.value.retry_after is not None


async def test_c05_tasks_are_listed_and_cancelled(redis: Redis, settings: BaseSettings) -> None:
    """The list goes through all its pages, the newest first; a stream tells of a cancellation, which may be repeated;
    what has ended otherwise, and what never was, is refused."""
    port = free_port()
    task_ids = [(await LiveTask(redis).create()).task_id for _ in range(51)]
    done = await LiveTask(redis).create()
    await done.complete()
    with gateway_process(settings, port=port):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            assert [task.task_id async for task in client.tasks(state=State.QUEUED)] == task_ids[::-1]
            assert [task.task_id async for task in client.tasks(state=State.COMPLETED)] == [done.task_id]
            watching = asyncio.create_task(all_of(client.events(task_ids[0])))
            for _ in range(2):
                await client.cancel(task_ids[0])
            assert [update.step for update in await watching] == [Step.CANCELLED]
            for task_id, refusal in ((done.task_id, (409, "task_finished")), ("none", (404, "no_such_task"))):
                with pytest.raises(MeshRefused) as refused:
                    await client.cancel(task_id)
                assert (refused.value.status, refused.value.code) == refusal


async def test_capabilities_are_told(mesh_url: str) -> None:
    """As the gateway has them."""
    async with MeshClient(mesh_url) as client:
        assert (await client.capabilities())["ready"] is True


async def test_a_text_goes_the_same_way(mesh_url: str) -> None:
    """All but the transcription; the same key is the same task, and a text that is none is refused."""
    key = uuid.uuid4().hex
    async with MeshClient(mesh_url) as client:
        task_ids = [
            await client.submit_text("Sentence one. Sentence two.", language="en", idempotency_key=key)
            for _ in range(2)
        ]
        updates = await all_of(client.events(task_ids[0]))
        assert task_ids[0] == task_ids[1]
        assert isinstance(result := updates[-1].partial, Result)
        assert result.transcript == "Sentence one. Sentence two."
        with pytest.raises(MeshRefused) as refused:
            await client.submit_text(" ")
        assert (refused.value.status, refused.value.code) == (422, "empty_text")


async def test_n07_labels_with_commas_arrive_whole(redis: Redis, settings: BaseSettings) -> None:
    """One such label alone, and as many of both kinds as are allowed."""
    port = free_port()
    many = [f"thing {number}, and others" for number in range(50)]
    with gateway_process(settings, port=port):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            one = await client.submit(wav(), topics=["billing, refund"])
            all_of_them = await client.submit(wav(), topics=many, entity_labels=many, redact=["email", "phone"])
    task = await tasks.read(redis, one)
    assert task is not None
    assert task.options.topics == ("billing, refund",)
    task = await tasks.read(redis, all_of_them)
    assert task is not None
    assert task.options.topics == task.options.entity_labels == tuple(many)
    assert task.options.redact == ("email", "phone")


async def test_a_key_lets_its_owner_in(settings: BaseSettings) -> None:
    """Submission and stream go with the key; without one, with another, or for somebody else's task the refusal is
    typed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    keys = ",".join(f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("web", "batch"))
    with gateway_process(settings, port=port, environ={"API_KEYS": keys}):
        async with MeshClient(url, api_key="web") as web, MeshClient(url, api_key="batch") as batch:
            task_id = await web.submit(wav())
            watching = asyncio.create_task(all_of(web.events(task_id)))
            with pytest.raises(MeshRefused) as foreign:
                await batch.cancel(task_id)
            await web.cancel(task_id)
            assert [update.step for update in await watching][-1:] == [Step.CANCELLED]
        refusals = [(foreign.value.status, foreign.value.code)]
        for key in ("", "wrong"):
            async with MeshClient(url, api_key=key) as stranger:
                with pytest.raises(MeshRefused) as refused:
                    await stranger.submit(wav())
                refusals.append((refused.value.status, refused.value.code))
    assert refusals == [(404, "no_such_task"), (401, "key_missing"), (403, "key_unknown")]
