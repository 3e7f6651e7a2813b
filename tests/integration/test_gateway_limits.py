"""How many tasks at a time, how much audio in a day, how long a queue: what there is no room for is refused."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from shared import codec, events, keys, queue
from shared.messages import Failure, Options, StageName, State
from shared.redis import Redis, open_pool
from shared.redis import client as client_of_redis
from shared.scripts import Limits, Scripts
from shared.settings import BaseSettings
from shared.submission import NoRoom, Room, Submission
from tests.conftest import RedisServer, wait_until
from tests.fakes.form import form, part, wav
from tests.fakes.gateway import client_of, served, serving
from tests.fakes.stages import STAGES, FakeEngine
from tests.fakes.tenants import BATCH, ENTRIES, WEB, bearing, posted, statuses, submitted
from tests.fakes.wire import wire_to
from tests.mesh import LIMITS, until_ended, working


@pytest.fixture
def guarded(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=settings.redis_url,
        blob_url=settings.blob_url,
        spool_dir=tmp_path / "spool",
        api_keys=ENTRIES,
        requests_per_minute=0,
        tasks_at_a_time=3,
        audio_seconds_per_day=0,
        max_queue=0,
    )


@pytest.fixture
async def client(guarded: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(guarded) as client:
        yield client


def recording(seconds: float) -> bytes:
    return form(part("audio", wav(seconds), disposition='; filename="a.wav"'))


def posting(client: httpx.AsyncClient, key: str, *, count: int) -> list[asyncio.Task[httpx.Response]]:
    """Submissions that go out together."""
    return [asyncio.create_task(posted(client, key), name="post") for _ in range(count)]


async def end(redis: Redis, task_id: str, state: State) -> None:
    failure = Failure(code="x", message="Over.")
    event = events.make_end(task_id, state, failure)
    scripts = Scripts(redis, LIMITS)
    assert await scripts.close(task_id, state, event=event, error=codec.encode_text(failure)) == "OK"
    await scripts.finish(task_id, StageName.ASR)


@asynccontextmanager
async def working_fleet(settings: BaseSettings) -> AsyncGenerator[None]:
    """Workers for recordings without translation."""
    async with (
        working(STAGES[StageName.ASR], FakeEngine(), settings),
        working(STAGES[StageName.NLP], FakeEngine(), settings),
    ):
        yield


def blobs_of(settings: Settings) -> list[Path]:
    """Every recording that is kept."""
    return [path for path in Path(settings.blob_url.removeprefix("file://")).rglob("*") if path.is_file()]


async def test_tasks_at_a_time_are_exact_under_parallel_posts(guarded: Settings, redis: Redis) -> None:
    """Of twenty at once, at two gateways, three become tasks. The rest is told to come back, and nothing of it is kept;
    another tenant has its own three."""
    async with serving(guarded) as one, serving(guarded) as two, client_of(one) as first, client_of(two) as second:
        calls = posting(first, WEB, count=10) + posting(second, WEB, count=10)
        assert sorted(await statuses(calls)) == [202] * 3 + [429] * 17
        assert sorted(await statuses(posting(second, BATCH, count=4))) == [202] * 3 + [429]
        refused = await posted(first, WEB)
    assert refused.json()["code"] == "too_many_tasks"
    assert int(refused.headers["retry-after"]) > 0
    assert await redis.zcard(keys.queue(StageName.ASR)) == 6
    assert len(blobs_of(guarded)) == 6


async def test_room_comes_back_however_a_task_ends(client: httpx.AsyncClient, redis: Redis) -> None:
    """Failed, cancelled, expired, or gone from Redis without a word: each makes room for exactly one."""
    for state in (State.FAILED, State.CANCELLED, State.EXPIRED, None):
        running = [await submitted(client, WEB) for _ in range(3)]
        assert (await posted(client, WEB)).status_code == 429
        if state is None:
            await redis.delete(keys.task(running[0]))
        else:
            await end(redis, running[0], state)
        running[0] = await submitted(client, WEB)
        assert (await posted(client, WEB)).status_code == 429
        for task_id in running:
            await end(redis, task_id, State.CANCELLED)


async def test_room_comes_back_when_a_task_completes(
    client: httpx.AsyncClient, redis: Redis, settings: BaseSettings
) -> None:
    """Tasks that workers have brought to their end do not count."""
    running = [await submitted(client, WEB) for _ in range(3)]
    assert (await posted(client, WEB)).status_code == 429
    async with working_fleet(settings):
        for task_id in running:
            assert (await until_ended(redis, task_id))[-1].step == "completed"
    assert sorted(await statuses(posting(client, WEB, count=5))) == [202] * 3 + [429] * 2


async def test_a_submission_that_is_sent_again_needs_no_room(client: httpx.AsyncClient, redis: Redis) -> None:
    """With its idempotency key it finds its task though there is no room; a new one under a new key does not, and has
    not used its key up."""
    made = (await posted(client, WEB, once="first")).json()
    others = [await submitted(client, WEB) for _ in range(2)]
    again = await posted(client, WEB, once="first")
    assert (again.status_code, again.json()["task_id"]) == (202, made["task_id"])
    assert (await posted(client, WEB, once="second")).status_code == 429
    await end(redis, others[0], State.CANCELLED)
    assert (await posted(client, WEB, once="second")).status_code == 202


async def test_the_audio_of_a_day_is_exact_under_parallel_posts(guarded: Settings, redis: Redis) -> None:
    """Five seconds a day are five recordings of one second, whenever they come; the next is told to wait for midnight
    UTC. What was refused did not count, and cancelling gives nothing back."""
    limited = msgspec.structs.replace(guarded, audio_seconds_per_day=5.0, tasks_at_a_time=0)
    async with served(limited) as client:
        assert sorted(await statuses(posting(client, WEB, count=8))) == [202] * 5 + [429] * 3
        assert sorted(await statuses(posting(client, BATCH, count=6))) == [202] * 5 + [429]
        refused = await posted(client, WEB)
    assert refused.json()["code"] == "quota_exceeded"
    assert abs(int(refused.headers["retry-after"]) - (86_400 - time.time() % 86_400)) < 5
    day = str(int(time.time() // 86_400))
    assert float(await redis.get(keys.heard("web", day)) or 0) == 5.0


async def test_counting_audio_does_redis_no_harm(guarded: Settings, durable_server: RedisServer) -> None:
    """Redis lives through submissions of those for whom audio is counted, beside scripts whose commands have many
    arguments, as those of workers do: no command of ours has a later one write behind the end of its arguments."""
    limited = msgspec.structs.replace(
        guarded, redis_url=durable_server.url, audio_seconds_per_day=1e6, tasks_at_a_time=0
    )
    pool = open_pool(limited, name="test")
    many = client_of_redis(pool).register_script(b"return redis.call('HSET', KEYS[1], 1, 1, 2, 2, 3, 3, 4, 4)")
    async with aclosing(pool), served(limited) as gateway:
        for number in range(10):
            await many(keys=["many"])
            assert (await posted(gateway, WEB, once=f"number-{number}")).status_code == 202


async def test_the_length_that_counts_is_the_real_one(guarded: Settings) -> None:
    """A header that says 0 seconds makes no recording shorter; what still fits is taken."""
    limited = msgspec.structs.replace(guarded, audio_seconds_per_day=5.0, tasks_at_a_time=0)
    lying = bytearray(wav(4.0))
    lying[40:44] = bytes(4)
    async with served(limited) as client:
        body = form(part("audio", bytes(lying), disposition='; filename="a.wav"'))
        assert (await posted(client, WEB, body=body)).status_code == 202
        assert (await posted(client, WEB, body=recording(2.0))).status_code == 429
        assert (await posted(client, WEB, body=recording(0.5))).status_code == 202


async def test_a_recording_that_no_day_has_room_for_is_too_long(guarded: Settings) -> None:
    """It would be in vain to come back, so it is refused as what it is."""
    async with served(msgspec.structs.replace(guarded, audio_seconds_per_day=2.0)) as client:
        refused = await posted(client, WEB, body=recording(3.0))
    assert (refused.status_code, refused.json()["code"]) == (413, "too_long")
    assert "retry-after" not in refused.headers


async def test_a_new_day_begins_at_midnight_utc(redis: Redis) -> None:
    """What was submitted on the day before does not count."""
    scripts, room = Scripts(redis, LIMITS), Room(audio_seconds=10.0)

    async def create(task_id: str) -> None:
        job = queue.stage_job(task_id)
        made = Submission(
            task_id=task_id, route=(StageName.NLP,), options=Options(), job=job, duration=9.0, owner="web"
        )
        await scripts.submit(made, room)

    await create("today")
    with pytest.raises(NoRoom) as want:
        await create("more")
    assert (want.value.reason, 0 < want.value.wait_seconds <= 86_400) == ("AUDIO", True)
    today = int(time.time() // 86_400)
    await redis.delete(keys.heard("web", str(today)))
    await redis.set(keys.heard("web", str(today - 1)), b"9", px=60_000)
    await create("tomorrow")


async def test_a_queue_that_is_long_takes_no_more(guarded: Settings, redis: Redis) -> None:
    """503 with `Retry-After`, before the upload is read; whoever is in the queue stays, and room comes back with it.
    That holds where no keys are asked for, too."""
    unguarded = msgspec.structs.replace(guarded, api_keys="", max_queue=4)
    async with serving(unguarded) as server, client_of(server) as client, wire_to(server) as wire:
        assert sorted(await statuses(posting(client, WEB, count=9))) == [202] * 4 + [503] * 5

        await wire.send(b"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n")
        await wire.send(b"Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n")
        status, headers, body = await wire.answer()
        assert (status, codec.decode_plain(body)["code"]) == (503, "overloaded")
        assert int(headers["retry-after"]) > 0
        waiting = await redis.zrange(keys.queue(StageName.ASR), 0, -1)
        assert len(waiting) == 4
        await end(redis, waiting[0].decode().partition(":")[0], State.CANCELLED)
        await submitted(client, WEB)


async def test_a_long_queue_on_the_way_counts(guarded: Settings, redis: Redis) -> None:
    """Also that of a later stage, for those whose way leads there; a refused recording is not kept."""
    sound = part("audio", wav(), disposition='; filename="a.wav"')
    translated = form(sound, part("include_translation", b"true"))
    async with served(msgspec.structs.replace(guarded, max_queue=4)) as client:
        await redis.zadd(keys.queue(StageName.TRANSLATE), {f"t{number}:translate": number for number in range(4)})
        assert (await posted(client, WEB, body=translated)).status_code == 503
        assert blobs_of(guarded) == []
        await submitted(client, WEB)
        await redis.zadd(keys.queue(StageName.NLP), {f"t{number}:nlp": number for number in range(4)})
        assert (await posted(client, WEB)).status_code == 503


async def test_a_worker_goes_on_however_long_the_queues_are(
    guarded: Settings, redis: Redis, settings: BaseSettings
) -> None:
    """A limit that is passed by tasks under way keeps new ones out and stops none of those."""
    async with served(msgspec.structs.replace(guarded, max_queue=1)) as client:
        task_id = await submitted(client, WEB)
        for number in range(3):
            await redis.zadd(keys.queue(StageName.NLP), {f"t{number}:nlp": number})
        assert (await posted(client, BATCH)).status_code == 503
        async with working_fleet(settings):
            assert (await until_ended(redis, task_id))[-1].step == "completed"

        async def taken() -> bool:
            return (await posted(client, BATCH)).status_code == 202

        await wait_until(taken, description="the queues are short again")


async def test_the_set_of_unfinished_tasks_stays_small(redis: Redis) -> None:
    """It holds no more than the limit, however many tasks have been, and lapses with the last of them."""
    scripts = Scripts(redis, Limits(ttl_ms=60_000, wait_ms=60_000, tombstone_ms=60_000))
    for number in range(30):
        task_id = f"t{number}"
        job = queue.stage_job(task_id)
        made = Submission(task_id=task_id, route=(StageName.NLP,), options=Options(), job=job, owner="web")
        await scripts.submit(made, Room(tasks=4))
        await end(redis, task_id, State.CANCELLED)
    assert await redis.scard(keys.unfinished("web")) <= 4


async def test_texts_need_room_but_no_audio(guarded: Settings) -> None:
    """A text counts as a task and waits in queues; a day whose audio is used up takes it all the same."""
    limited = msgspec.structs.replace(guarded, audio_seconds_per_day=1.0)
    async with served(limited) as client:
        await submitted(client, WEB)
        assert (await posted(client, WEB)).json()["code"] == "quota_exceeded"

        async def text() -> int:
            form_data = {"text": (None, "Good morning.")}
            path = "/text/process-stream-realtime"
            async with client.stream("POST", path, files=form_data, headers=bearing(WEB)) as response:
                return response.status_code

        assert [await text() for _ in range(3)] == [200, 200, 429]
