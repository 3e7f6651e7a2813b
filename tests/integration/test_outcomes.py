"""How tasks end, and what clients are told: each case by a name of its own."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

from services.asr.stage import STAGE as REAL_ASR
from services.gateway.settings import Settings
from shared import events, keys, queue, tasks
from shared.blobs import BlobStore
from shared.janitor import Janitor
from shared.messages import Event, Options, StageName, State, Step
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from shared.submission import Submission
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.noise import NoiseEngine
from tests.fakes.recordings import RATE, write, write_video, write_wave
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, log_of, submit, until_ended, working

ASR, NLP = StageName.ASR, StageName.NLP
NOISE = np.random.default_rng(1).normal(0, 0.2, 6 * RATE).astype(np.float32)


async def submit_long(redis: Redis, task_id: str, *, seconds: float) -> None:
    """A recording of that length, of which no fake stage reads a byte."""
    await Scripts(redis, LIMITS).submit(
        Submission(
            task_id=task_id,
            route=(ASR, NLP),
            options=Options(),
            job=queue.stage_job(task_id),
            blob=task_id,
            duration=seconds,
        )
    )


async def outcome(redis: Redis, task_id: str) -> tuple[State, str | None]:
    """How the task has ended: its state, and its code if it has one."""
    await until_ended(redis, task_id)
    task = await tasks.read(redis, task_id)
    assert task is not None
    return task.state, task.error.code if task.error else None


def slow(seconds: float) -> Callable[[int], None]:
    """An engine's work that takes this long for each sentence."""

    def work(_: int) -> None:
        threading.Event().wait(seconds)

    return work


async def test_c02_limit_grows_with_the_recording(redis: Redis, settings: BaseSettings) -> None:
    """What takes longer than it may fails as `run_timeout`, never as an empty success; the same work on a recording
    that is long enough for it is done, with all its text."""
    engine = FakeEngine(slow(0.3))
    limits: dict[str, Any] = {"run_limit_seconds": 0.5, "run_limit_factor": 0.1}
    async with working(STAGES[ASR], engine, settings, **limits), working(STAGES[NLP], FakeEngine(), settings):
        await submit_long(redis, "short", seconds=2)
        assert await outcome(redis, "short") == (State.FAILED, "run_timeout")
        await submit_long(redis, "long", seconds=600)
        assert await outcome(redis, "long") == (State.COMPLETED, None)
    result = json.loads(await redis.get(keys.result("long")) or b"")
    assert result["transcript"] == "Sentence 1. Sentence 2. Sentence 3."
    assert await redis.get(keys.result("short")) is None


async def test_c04_endings_are_told_apart(redis: Redis, settings: BaseSettings) -> None:
    """Cancelled by its owner, out of time, out of attempts, and left by all workers: four names for four things."""
    scripts = Scripts(redis, LIMITS)
    for task_id in ("cancelled", "lost", "worn-out"):
        await submit(redis, task_id)
    await scripts.close("cancelled", State.CANCELLED, event=events.make_end("cancelled", State.CANCELLED), error="")
    await redis.zadd(keys.WATCH, {"lost": 1})
    await Janitor(redis, scripts, BlobStore(settings.blob_url)).end_lost_tasks()
    await scripts.claim("worn-out", ASR, claimant="a worker that died", max_attempts=1)
    async with working(STAGES[ASR], FakeEngine(slow(0.3)), settings, max_attempts=1, run_limit_seconds=0.1):
        await submit(redis, "late")
        found = {name: await outcome(redis, name) for name in ("cancelled", "late", "worn-out", "lost")}
    assert found == {
        "cancelled": (State.CANCELLED, None),
        "late": (State.FAILED, "run_timeout"),
        "worn-out": (State.FAILED, "attempts_exhausted"),
        "lost": (State.EXPIRED, "no_worker"),
    }


async def test_c04_stopped_worker_ends_no_task(redis: Redis, settings: BaseSettings) -> None:
    """A worker that is told to stop hands its task back: no client hears of it, and the attempt counts for nothing."""
    begun, go_on = threading.Event(), threading.Event()

    def halt(number: int) -> None:
        if number == 2:
            begun.set()
            go_on.wait(10)

    async with working(STAGES[ASR], FakeEngine(halt), settings, drain_seconds=0.0, max_attempts=1):
        await submit(redis, "t")
        await wait_until(begun.is_set, description="the worker is in the middle of it")
    go_on.set()
    assert [event.step for event in await log_of(redis, "t")] == [Step.STARTED, Step.TRANSCRIPTION]
    async with (
        working(STAGES[ASR], FakeEngine(), settings, max_attempts=1),
        working(STAGES[NLP], FakeEngine(), settings),
    ):
        steps = [event.step for event in await until_ended(redis, "t")]
    assert (steps.count(Step.TRANSCRIPTION), steps[-1]) == (3, Step.COMPLETED)


def bodies(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is refused at once: by its code the status, and what to send for it."""
    return {
        "unsupported_media": (415, b"no sound in this\n" * 100),
        "empty_audio": (422, wav(0.0)),
        "no_audio_stream": (422, write_video(folder / "silent.mp4", sound=False).read_bytes()),
        "too_long": (413, wav(12.0)),
        "too_large": (413, bytes(700_000)),
    }


async def test_c07_refusals_say_what_is_wrong(gateway_settings: Settings, tmp_path: Path) -> None:
    """One code and one sentence for each, as JSON, with the limit where there is one."""
    limited = msgspec.structs.replace(gateway_settings, max_upload_bytes=600_000, max_audio_seconds=10.0)
    told: dict[str, str] = {}
    async with served(limited) as client:
        for code, (status, content) in bodies(tmp_path).items():
            answer = await client.post("/audio/tasks", files={"audio": ("a.wav", content)})
            body = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
            assert body.keys() <= {"type", "title", "status", "detail", "instance", "code", "field"}
            told[code] = body["detail"]
    assert len(set(told.values())) == len(told)
    assert "600,000" in told["too_large"]
    assert "10" in told["too_long"]


async def test_c07_what_shows_only_in_the_work_is_told_as_well(
    redis: Redis, settings: BaseSettings, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Nobody speaking, and a damaged file: the task is done, with a warning that names what is missing."""
    silence = write_wave(tmp_path / "silence.wav", np.zeros(4 * RATE)).read_bytes()
    whole = write(tmp_path / "a.flac", "flac", samples=NOISE).read_bytes()

    async def warnings_of(content: bytes) -> list[str]:
        task_id = (await client.post("/audio/tasks", files={"audio": ("a", content)})).json()["task_id"]
        end: Event = (await until_ended(redis, task_id))[-1]
        assert end.step is Step.COMPLETED, end.error
        return [warning.code for warning in end.warnings]

    async with working(REAL_ASR, NoiseEngine(), settings), working(STAGES[NLP], FakeEngine(), settings):
        assert await warnings_of(silence) == ["no_speech"]
        assert await warnings_of(whole[: len(whole) * 7 // 10]) == ["truncated_or_damaged"]
        assert await warnings_of(whole) == []
