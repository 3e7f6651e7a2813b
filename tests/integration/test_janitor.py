"""What the janitor ends and removes, and what it leaves alone."""

import time
from pathlib import Path

import pytest

from shared import codec, events, janitor, keys
from shared.blobs import BlobStore
from shared.janitor import Janitor
from shared.messages import Failure, StageName, State, Step
from shared.redis import Redis
from shared.scripts import Limits, Scripts
from shared.settings import BaseSettings
from tests.mesh import LIMITS, log_of, submit


@pytest.fixture
def blobs(settings: BaseSettings) -> BlobStore:
    return BlobStore(settings.blob_url)


async def test_task_that_nobody_works_on_expires(redis: Redis, blobs: BlobStore) -> None:
    """A task without a sign of life for longer than it may wait ends once, with an event that says what to do. Its job
    goes with it: no worker need be started for that."""
    scripts = Scripts(redis, Limits(ttl_ms=60_000, wait_ms=60_000))
    await submit(redis, "t")
    await redis.zadd(keys.WATCH, {"t": 1})
    worker = Janitor(redis, scripts, blobs)
    await worker.end_lost_tasks()
    await worker.end_lost_tasks()
    (event,) = await log_of(redis, "t")
    assert (event.step, event.progress) == (Step.EXPIRED, 0)
    assert event.error is not None
    assert event.error.code == "no_worker"
    assert await redis.zcard(keys.WATCH) == 0
    assert not [key async for key in redis.scan_iter("arq:*")]


@pytest.mark.parametrize("hours_off", [-48, 48])
async def test_a_janitor_whose_clock_is_wrong_ends_what_is_lost(
    redis: Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, hours_off: int
) -> None:
    """That, and nothing else: the clock that counts is Redis'."""
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600 * hours_off)
    await submit(redis, "alive")
    await submit(redis, "lost")
    await redis.zadd(keys.WATCH, {"lost": int(true_time() * 1000) - 1000})
    await Janitor(redis, Scripts(redis, LIMITS), blobs).end_lost_tasks()
    assert [event.step for event in await log_of(redis, "lost")] == [Step.EXPIRED]
    assert await log_of(redis, "alive") == []


async def test_task_that_shows_life_is_left_alone(redis: Redis, blobs: BlobStore) -> None:
    """A claim between the janitor's look and its act keeps the task."""
    scripts = Scripts(redis, LIMITS)
    await submit(redis, "t")
    await redis.zadd(keys.WATCH, {"t": 1})
    await scripts.claim("t", StageName.ASR, claimant="w", max_attempts=3)
    await Janitor(redis, scripts, blobs).end_lost_tasks()
    assert await log_of(redis, "t") == []


async def test_recordings_without_a_task_are_removed(
    redis: Redis, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once they are past the time that an upload takes; the recording of an unfinished task stays."""
    source = tmp_path / "recording"
    source.write_bytes(b"sound")
    for name in ("t", "orphan"):
        await blobs.put(name, source)
    await submit(redis, "t")
    await Janitor(redis, Scripts(redis, LIMITS), blobs).remove_blobs()
    assert await names(blobs) == ["orphan", "t"]
    monkeypatch.setattr(janitor, "_BLOB_GRACE_SECONDS", -1.0)
    await Janitor(redis, Scripts(redis, LIMITS), blobs).remove_blobs()
    assert await names(blobs) == ["t"]


async def test_the_recording_of_an_ended_task_is_removed_at_once(
    redis: Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    """Nobody needs it any more, however the task has ended."""
    source = tmp_path / "recording"
    source.write_bytes(b"sound")
    scripts = Scripts(redis, LIMITS)
    for task_id in ("cancelled", "waiting"):
        await blobs.put(task_id, source)
        await submit(redis, task_id)
    failure = Failure(code="cancelled", message="Cancelled.")
    event = events.make_end("cancelled", State.CANCELLED, failure)
    await scripts.close("cancelled", State.CANCELLED, event=event, error=codec.encode_text(failure))
    await Janitor(redis, scripts, blobs).remove_blobs()
    assert await names(blobs) == ["waiting"]


async def names(blobs: BlobStore) -> list[str]:
    return sorted([blob.name async for batch in blobs.batches() for blob in batch])
