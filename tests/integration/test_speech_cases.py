"""What goes wrong with speech before a recogniser hears it, and around it: each case by a name of its own."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from services.asr.stage import STAGE as REAL_ASR
from services.gateway.settings import Settings
from shared import codec, keys
from shared.messages import Options, StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.noise import NoiseEngine
from tests.fakes.recordings import RATE, write_wave
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import ROOT, until_ended, working


@pytest.fixture
async def client(settings: BaseSettings, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served(
        Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    ) as client:
        yield client


async def submit(client: httpx.AsyncClient, content: bytes = b"", /, **fields: str) -> tuple[int, Any]:
    """Status and body of the answer."""
    answer = await client.post("/audio/tasks", files={"audio": ("a.wav", content or wav())}, data=fields)
    return answer.status_code, answer.json()


async def options(redis: Redis, task_id: str) -> Options:
    """What the workers are told to do."""
    told = await redis.hget(keys.task(task_id), "options")
    assert told is not None
    return codec.decode_options(told)


async def test_a02_silence_is_completed_with_all_there_is_to_ask_for(
    redis: Redis, settings: BaseSettings, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A task that wants everything of ten silent seconds ends well, says that nobody speaks, and has nothing."""
    silence = write_wave(tmp_path / "silence.wav", np.zeros(10 * RATE)).read_bytes()
    fields = {"include_translation": "1", "target_language": "pt", "include_insights": "1", "hotwords": "Dashwood"}
    _, task = await submit(client, silence, **fields, word_timestamps="1", channels="separate")
    async with (
        working(REAL_ASR, NoiseEngine(), settings),
        working(STAGES[StageName.TRANSLATE], FakeEngine(), settings),
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.INSIGHTS], FakeEngine(), settings),
    ):
        await until_ended(redis, task["task_id"])
    result = (await client.get(f"/audio/tasks/{task['task_id']}/result")).json()
    assert (result["no_speech"], result["duration"], result["transcript"]) == (True, 10.0, "")
    assert (result["segments"], result["entities"]) == ([], [])
    assert [warning["code"] for warning in result["warnings"]] == ["no_speech"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EN", "en"),
        ("en-US", "en"),
        ("en_US", "en"),
        ("english", "en"),
        ("iw", "he"),
        ("auto", None),
        ("AUTO", None),
        ("", None),
        (" ", None),
    ],
)
async def test_a10_forms_of_the_language(client: httpx.AsyncClient, redis: Redis, text: str, code: str | None) -> None:
    """The workers are told one code, or to find out where the client says `auto` or nothing."""
    status, task = await submit(client, language=text)
    assert status == 202
    assert (await options(redis, task["task_id"])).language == code


@pytest.mark.parametrize(("text", "hint"), [("jp", "'ja' (Japanese)"), ("xx", ""), ("gibberish", "")])
async def test_a10_what_is_no_language_is_refused_at_the_door(
    client: httpx.AsyncClient, redis: Redis, text: str, hint: str
) -> None:
    """With the name of the field, and the code that was meant where that can be told; nothing is queued."""
    status, problem = await submit(client, language=text)
    assert (status, problem["code"], problem["field"]) == (400, "unsupported_language", "language")
    assert hint in problem["detail"]
    assert not [key async for key in redis.scan_iter("arq:*")]


@pytest.mark.parametrize("name", ["initial_prompt", "hotwords"])
async def test_a11_hints_that_are_too_long_are_refused_at_the_door(
    client: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    """Five thousand characters, by the name of the field and with the limit; what is as long as the limit is taken."""
    for text in ("and so on " * 500, "x" * 2_001):
        status, problem = await submit(client, **{name: text})
        assert (status, problem["code"], problem["field"]) == (400, "bad_field", name)
        assert "2,000" in problem["detail"]
    status, task = await submit(client, **{name: "x" * 2_000})
    assert status == 202
    assert msgspec.structs.asdict(await options(redis, task["task_id"]))[name] == "x" * 2_000


def test_a14_a_worker_says_how_many_processors_it_has(settings: BaseSettings) -> None:
    """Its log tells at the start what it may use, which is less than the machine has where it is limited."""
    one = {min(os.sched_getaffinity(0))}
    run = "runpy.run_module('tests.fakes.worker', run_name='__main__')"
    program = f"import os, runpy; os.sched_setaffinity(0, {one}); {run}"
    environ = {**os.environ, "REDIS_URL": settings.redis_url, "BLOB_URL": settings.blob_url, "LOG_FORMAT": "json"}
    command = [sys.executable, "-c", program, "asr"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        try:
            line = next(line for line in worker.stderr if '"engine_ready"' in line)
        finally:
            worker.kill()
    assert msgspec.json.decode(line)["processors"] == 1
