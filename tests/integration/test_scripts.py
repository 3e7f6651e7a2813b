"""What the scripts promise, each alone against a real Redis."""

import itertools
from typing import Any, cast

import pytest

from shared import codec, events, keys, queue
from shared.errors import Closed, Superseded
from shared.messages import Document, Failure, Options, StageName, State, Step
from shared.redis import Redis
from shared.scripts import AlreadyDone, Exhausted, Scripts, Submission
from tests.fakes.changes import LIMITS, ROUTE, TASK, change, event, record

SERIAL = itertools.count()


@pytest.fixture
def scripts(redis: Redis) -> Scripts:
    return Scripts(redis, LIMITS)


async def submit(scripts: Scripts) -> None:
    await scripts.submit(
        Submission(task_id=TASK, route=ROUTE, options=Options(language="en"), job=queue.stage_job(TASK), blob="b")
    )


async def claim(scripts: Scripts, stage: StageName = StageName.ASR) -> int:
    return (await scripts.claim(TASK, stage, claimant=f"w/{next(SERIAL)}", max_attempts=3)).token


async def log(redis: Redis) -> list[str]:
    return [codec.decode_event(data).step for _, data in await events.read(redis, TASK, after=0, count=100)]


async def test_submission_enqueues_the_first_stage_once(redis: Redis, scripts: Scripts) -> None:
    """A submission that is repeated after a lost reply makes one job."""
    await submit(scripts)
    await submit(scripts)
    assert await redis.zrange(keys.queue(StageName.ASR), 0, -1) == [b"t1:asr"]


async def test_record_cannot_be_written_twice(redis: Redis, scripts: Scripts) -> None:
    """Redis refuses the number of a record that is there, and the event that came with it is not repeated."""
    await submit(scripts)
    token = await claim(scripts)
    commit = change(token, events=[event(Step.TRANSCRIPTION, record=1)])
    first, second = await scripts.commit(commit, [record(1)]), await scripts.commit(commit, [record(1)])
    assert (first.refused, second.refused) == (0, 1)
    assert [entry_id for entry_id, _ in await redis.xrange(keys.out(TASK, StageName.ASR))] == [b"1-0"]
    assert await log(redis) == ["transcription"]


async def test_fenced_off_attempt_writes_and_publishes_nothing(redis: Redis, scripts: Scripts) -> None:
    """An attempt that was superseded gets nothing through: no record, no event, no renewal, no failure."""
    await submit(scripts)
    stale = await claim(scripts)
    await claim(scripts)
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(keys.channel(TASK))
        with pytest.raises(Superseded):
            await scripts.commit(change(stale, events=[event(Step.TRANSCRIPTION, record=1)]), [record(1)])
        with pytest.raises(Superseded):
            await scripts.renew(TASK, StageName.ASR, token=stale, lease_ms=1000)
        failure = Failure(code="x", message="x")
        ending = events.make_end(TASK, State.FAILED, failure)
        assert (
            await scripts.close(TASK, State.FAILED, event=ending, error="{}", stage=StageName.ASR, token=stale)
            == "SUPERSEDED"
        )
        await redis.publish(keys.channel(TASK), b"last")
        message = None
        while message is None:
            message = await pubsub.get_message(timeout=1)
    assert message["data"] == b"last"
    assert await redis.exists(keys.out(TASK, StageName.ASR), keys.events(TASK)) == 0
    assert await redis.hget(keys.task(TASK), "state") == b"running"


async def test_each_sign_of_life_gives_a_task_its_whole_time_again(redis: Redis, scripts: Scripts) -> None:
    """Nothing of a task lapses while it is worked on: a record keeps what it belongs to, a renewal the job."""
    client = cast("Any", redis)
    task, job = keys.task(TASK), keys.job(TASK, StageName.ASR)
    written = [task, keys.events(TASK), keys.out(TASK, StageName.ASR)]

    async def grow_old(*names: str) -> None:
        for name in names:
            await client.pexpire(name, LIMITS.ttl_ms // 10)

    async def are_young(*names: str) -> bool:
        return min([await client.pttl(name) for name in names]) > LIMITS.ttl_ms // 2

    await submit(scripts)
    token = await claim(scripts)
    for number in (1, 2):
        commit = change(token, number=number, first=number, events=[event(Step.TRANSCRIPTION, record=number)])
        await grow_old(*written)
        await scripts.commit(commit, [record(number)])
        assert await are_young(*written)
    await grow_old(task, job)
    await scripts.renew(TASK, StageName.ASR, token=token, lease_ms=1000)
    assert await are_young(task, job)


async def test_events_of_a_later_stage_wait_for_their_turn(redis: Redis, scripts: Scripts) -> None:
    """Records of a stage whose turn has not come are written; its events come only after the stage before has ended."""
    await submit(scripts)
    asr = await claim(scripts)
    await scripts.commit(change(asr, events=[event(Step.TRANSCRIPTION, record=1)]), [record(1)])
    nlp = await claim(scripts, StageName.NLP)
    early = await scripts.commit(change(nlp, stage=StageName.NLP, events=[event(Step.NER)]), [record(1)])
    assert not early.due
    assert await log(redis) == ["transcription"]
    document = codec.encode(Document(segments=1))
    done = [event(Step.TRANSCRIPTION_COMPLETE)]
    await scripts.commit(change(asr, first=2, events=done, ends=True, segments=1), [document])
    late = await scripts.commit(change(nlp, stage=StageName.NLP, events=[event(Step.NER)]))
    assert (late.due, late.total) == (True, 1)
    assert await log(redis) == ["transcription", "transcription_complete", "ner"]


async def test_first_record_enqueues_the_next_stage(redis: Redis, scripts: Scripts) -> None:
    """The job of the stage behind appears with the first record, and once."""
    await submit(scripts)
    token = await claim(scripts)
    await scripts.commit(change(token, events=[event(Step.STARTED)]))
    assert await redis.zcard(keys.queue(StageName.NLP)) == 0
    await scripts.commit(change(token), [record(1)])
    first_wait = await redis.hget(keys.task(TASK), "queued:nlp")
    await redis.delete(keys.job(TASK, StageName.NLP))
    await scripts.commit(change(token, first=2), [record(2)])
    assert await redis.zrange(keys.queue(StageName.NLP), 0, -1) == [b"t1:nlp"]
    assert await redis.hget(keys.task(TASK), "queued:nlp") == first_wait
    assert first_wait is not None
    assert await redis.exists(keys.job(TASK, StageName.NLP)) == 0


async def test_attempts_are_counted_and_end(scripts: Scripts) -> None:
    """The fourth claim finds the attempts used up; one that was handed back does not count."""
    await submit(scripts)
    await scripts.release(TASK, StageName.ASR, token=await claim(scripts), forgiven=True)
    for _ in range(3):
        await claim(scripts)
    with pytest.raises(Exhausted):
        await claim(scripts)


async def test_a_claim_whose_reply_was_lost_is_repeated_as_the_same_attempt(scripts: Scripts) -> None:
    """A flickering connection uses up no attempts; another claimant makes the next one."""
    await submit(scripts)
    claims = [await scripts.claim(TASK, StageName.ASR, claimant=name, max_attempts=3) for name in "aaaab"]
    assert [made.attempt for made in claims] == [1, 1, 1, 1, 2]
    assert len({made.token for made in claims[:4]}) == 1
    assert claims[4].token > claims[0].token


async def test_a_job_that_is_handed_back_waits_anew(redis: Redis, scripts: Scripts) -> None:
    """What an attempt took, and the pause behind one that failed, are no time that its successor has waited."""
    await submit(scripts)
    server = cast("Any", redis)
    await server.hset(keys.task(TASK), "queued:asr", 1_000)
    first = await scripts.claim(TASK, StageName.ASR, claimant="one", max_attempts=3)
    await scripts.release(TASK, StageName.ASR, token=first.token)
    second = await scripts.claim(TASK, StageName.ASR, claimant="two", max_attempts=3)
    await scripts.release(TASK, StageName.ASR, token=second.token, after_seconds=60)
    third = await scripts.claim(TASK, StageName.ASR, claimant="three", max_attempts=3)
    assert first.queued_seconds > 1e6
    assert second.queued_seconds < 20
    assert third.queued_seconds == 0


async def test_a_worker_is_not_given_what_it_has_in_hand(redis: Redis, scripts: Scripts) -> None:
    """Its own job, whose lease has lapsed while Redis was away, is left to the attempt at work or to another worker."""
    await submit(scripts)
    assert len(await scripts.take(StageName.ASR, count=9, lease_ms=60_000)) == 1
    await redis.delete(keys.lease(TASK, StageName.ASR))
    assert await scripts.take(StageName.ASR, count=9, lease_ms=60_000, held=["t1:asr"]) == []
    assert len(await scripts.take(StageName.ASR, count=9, lease_ms=60_000)) == 1


async def test_a_job_leaves_its_queue_with_the_end_of_its_stage(redis: Redis, scripts: Scripts) -> None:
    """Not before, whoever asks: while the stage goes on elsewhere, its job and its lease stay."""
    await submit(scripts)
    await scripts.take(StageName.ASR, count=1, lease_ms=60_000)
    token = await claim(scripts)
    lease, job = keys.lease(TASK, StageName.ASR), keys.job(TASK, StageName.ASR)
    await scripts.finish(TASK, StageName.ASR)
    assert (await redis.exists(lease, job), await redis.zcard(keys.queue(StageName.ASR))) == (2, 1)
    await scripts.commit(change(token, ends=True), [codec.encode(Document(segments=0))])
    assert (await redis.exists(lease, job), await redis.zcard(keys.queue(StageName.ASR))) == (0, 0)


async def test_a_job_is_dropped_when_its_task_has_ended(redis: Redis, scripts: Scripts) -> None:
    """Also one whose own record is gone: it leaves the queue when it is next looked at, and nobody gets it."""
    await submit(scripts)
    await scripts.take(StageName.ASR, count=1, lease_ms=60_000)
    ending = events.make_end(TASK, State.CANCELLED)
    await scripts.close(TASK, State.CANCELLED, event=ending, error="")
    await scripts.finish(TASK, StageName.ASR)
    assert await redis.zcard(keys.queue(StageName.ASR)) == 0
    await redis.zadd(keys.queue(StageName.ASR), {"gone:asr": 0})
    assert await scripts.take(StageName.ASR, count=1, lease_ms=60_000) == []
    assert await redis.zcard(keys.queue(StageName.ASR)) == 0


async def test_a_task_that_has_ended_gets_no_job_again(redis: Redis, scripts: Scripts) -> None:
    """All its jobs go with it, also those of stages that wait; an attempt that hands its stage back is too late."""
    await submit(scripts)
    token = await claim(scripts)
    await scripts.commit(change(token), [record(1)], job=queue.stage_job(TASK))
    assert [await redis.zcard(keys.queue(stage)) for stage in ROUTE] == [1, 1]
    await scripts.close(TASK, State.CANCELLED, event=events.make_end(TASK, State.CANCELLED), error="")
    await scripts.release(TASK, StageName.ASR, token=token, forgiven=True)
    assert [name async for name in redis.scan_iter("arq:*")] == []


async def test_a_stage_is_handed_back_by_whoever_holds_its_claim(redis: Redis, scripts: Scripts) -> None:
    """It is due after the pause by the clock of Redis, and its lease is free; a superseded attempt moves nothing."""
    await submit(scripts)
    await scripts.take(StageName.ASR, count=1, lease_ms=60_000)
    stale, token = await claim(scripts), await claim(scripts)
    lease = keys.lease(TASK, StageName.ASR)
    await scripts.release(TASK, StageName.ASR, token=stale, after_seconds=60)
    assert await redis.exists(lease) == 1
    await scripts.release(TASK, StageName.ASR, token=token, after_seconds=60)
    assert await redis.exists(lease) == 0
    assert await scripts.take(StageName.ASR, count=1, lease_ms=60_000) == []
    with pytest.raises(Superseded):
        await scripts.renew(TASK, StageName.ASR, token=token, lease_ms=1000)


async def test_a_text_of_any_length_is_submitted(redis: Redis, scripts: Scripts) -> None:
    """Ten thousand segments and the end record, in one script."""
    records = [record(number) for number in range(1, 10_001)]
    await scripts.submit(
        Submission(
            task_id=TASK,
            route=(StageName.NLP,),
            options=Options(),
            job=queue.stage_job(TASK),
            records=[*records, codec.encode(Document(segments=10_000))],
        )
    )
    assert await redis.xlen(keys.out(TASK, keys.SOURCE)) == 10_001
    assert await redis.hget(keys.task(TASK), "ended:source") == b"10000"


async def test_task_ends_once(redis: Redis, scripts: Scripts) -> None:
    """Of all who end a task one succeeds, with the progress as it stood; the rest find it closed."""
    await submit(scripts)
    token = await claim(scripts)
    await scripts.commit(change(token, events=[event(Step.STARTED)]))
    ending = events.make_end(TASK, State.CANCELLED)
    assert await scripts.close(TASK, State.CANCELLED, event=ending, error="") == "OK"
    assert await scripts.close(TASK, State.EXPIRED, event=ending, error="") == "CLOSED"
    with pytest.raises(Closed):
        await scripts.commit(change(token), [record(1)])
    with pytest.raises(AlreadyDone):
        await claim(scripts)
    (_, _), (number, data) = await events.read(redis, TASK, after=0, count=9)
    ended = codec.decode_event(data)
    assert (number, ended.step, ended.progress) == (2, Step.CANCELLED, 5)
    assert events.is_terminal(data)


async def test_channel_message_is_the_event_with_its_number(redis: Redis, scripts: Scripts) -> None:
    """What is published is the JSON of the log with the entry id in front."""
    await submit(scripts)
    token = await claim(scripts)
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("audio_stream:t1")
        await scripts.commit(change(token, events=[event(Step.STARTED)]))
        message = None
        while message is None:
            message = await pubsub.get_message(timeout=1)
    assert [events.split(message["data"])] == await events.read(redis, TASK, after=0, count=9)
