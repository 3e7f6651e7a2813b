"""A submission that is sent again makes no second task, and leaves nothing behind."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.gateway.settings import Settings
from shared import keys
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.form import wav
from tests.fakes.gateway import blocks, served
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import until_ended, working

SOUND, OTHER_SOUND = wav(), wav(1.5)


async def send(
    client: httpx.AsyncClient, key: str, *, sound: bytes = SOUND, name: str = "a.wav", **fields: str
) -> httpx.Response:
    return await client.post(
        "/audio/tasks", files={"audio": (name, sound)}, data=fields, headers={"Idempotency-Key": key}
    )


def files_in(folder: Path) -> Sequence[str]:
    """The names of all recordings, stored or on their way."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


async def test_c01_parallel_retries_make_one_task(client: httpx.AsyncClient, redis: Redis, tmp_path: Path) -> None:
    """Twenty equal submissions at once are one task, one job and one recording; nineteen answers say so."""
    answers = await asyncio.gather(*(send(client, "k") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    (task_id,) = {answer.json()["task_id"] for answer in answers}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 19
    assert await redis.zrange(keys.queue(StageName.ASR), 0, -1) == [f"{task_id}:asr".encode()]
    assert files_in(tmp_path) == [task_id]


async def test_c01_same_key_with_something_else_is_a_conflict(
    client: httpx.AsyncClient, redis: Redis, tmp_path: Path
) -> None:
    """Another recording, or another option, under a used key is refused and leaves nothing, also at once."""
    first = await send(client, "k", language="en")
    for answer in (
        await send(client, "k", language="en", sound=OTHER_SOUND),
        await send(client, "k", language="de"),
        await send(client, "k", language="en", include_insights="true"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert files_in(tmp_path) == [first.json()["task_id"]]
    assert await redis.zcard(keys.queue(StageName.ASR)) == 1
    rivals = await asyncio.gather(*(send(client, "l", sound=sound) for sound in (SOUND, OTHER_SOUND)))
    assert sorted(answer.status_code for answer in rivals) == [202, 409]
    assert len(files_in(tmp_path)) == 2


async def test_c01_what_counts_is_what_was_sent(client: httpx.AsyncClient) -> None:
    """The same recording under another name, with the same options said in another way, is the same submission."""
    first = await send(client, "k", name="a.wav", include_translation="true", language="en")
    again = await send(client, "k", name="b.wav", language="English", include_translation="YES", hotwords="")
    assert again.json()["task_id"] == first.json()["task_id"]
    other = await send(client, "l", name="a.wav", include_translation="true", language="en")
    assert other.json()["task_id"] != first.json()["task_id"]


async def test_c01_restart_of_the_gateway_changes_nothing(gateway_settings: Settings) -> None:
    """What a key stands for is known to every gateway, also to one that is started later."""
    async with served(gateway_settings) as client:
        first = await send(client, "k")
    async with served(gateway_settings) as client:
        again = await send(client, "k")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


async def test_c01_streaming_submission_replays_its_stream(client: httpx.AsyncClient, settings: BaseSettings) -> None:
    """A stream that is asked for again with the same key is that of the same task, from its start."""
    request: dict[str, Any] = {"files": {"audio": ("a.wav", SOUND)}, "headers": {"Idempotency-Key": "k"}}
    streams: list[list[bytes]] = []
    async with (
        working(STAGES[StageName.ASR], FakeEngine(), settings),
        working(STAGES[StageName.NLP], FakeEngine(), settings),
    ):
        for replayed in (None, "true"):
            async with client.stream("POST", "/audio/process-stream-realtime", **request) as response:
                assert response.headers.get("idempotent-replayed") == replayed
                streams.append([block async for block in blocks(response) if block.startswith(b"id: ")])
    assert streams[0] == streams[1]
    assert b'"step":"completed"' in streams[0][-1]


async def test_r09_key_of_a_failed_task_is_answered_with_the_failed_task(
    client: httpx.AsyncClient, redis: Redis, settings: BaseSettings
) -> None:
    """The same key never tries again by itself, and the answer says that it has failed; a new key makes a new task."""

    def fail(_: int) -> None:
        raise MemoryError

    first = (await send(client, "k")).json()["task_id"]
    async with working(STAGES[StageName.ASR], FakeEngine(fail), settings, max_attempts=1):
        await until_ended(redis, first)
    again = await send(client, "k")
    assert (again.status_code, again.json()["task_id"], again.json()["state"]) == (202, first, "failed")
    assert (await send(client, "k2")).json()["state"] == "queued"


async def test_key_outlives_no_task(client: httpx.AsyncClient, redis: Redis) -> None:
    """When its task is gone from Redis before its time, a key makes a new one."""
    first = (await send(client, "k")).json()["task_id"]
    await redis.delete(keys.task(first))
    again = await send(client, "k")
    assert again.json()["task_id"] != first
    assert "idempotent-replayed" not in again.headers


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_key_that_cannot_be_is_refused(client: httpx.AsyncClient, key: str) -> None:
    """Before the recording is taken in, with what a key may be."""
    answer = await client.post(
        "/audio/tasks", files={"audio": ("a.wav", SOUND)}, headers={b"Idempotency-Key": key.encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
