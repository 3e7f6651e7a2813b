"""A Redis that comes back with an earlier state, as a replica does that took over before it had the latest writes."""

import threading
from collections.abc import Mapping
from typing import Any, cast

import pytest

from shared import keys
from shared.errors import Superseded
from shared.messages import StageName, Step
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, records_of, submit, until_ended, working

Copy = Mapping[bytes, tuple[bytes, int]]

STEPS = [
    Step.STARTED,
    *[Step.TRANSCRIPTION] * 6,
    Step.TRANSCRIPTION_COMPLETE,
    Step.NER,
    Step.NER_COMPLETE,
    Step.CLASSIFICATION,
    Step.CLASSIFICATION_COMPLETE,
    Step.SUMMARIZATION,
    Step.SUMMARIZATION_COMPLETE,
    Step.COMPLETED,
]


async def copied(redis: Redis) -> Copy:
    """All that Redis has, and how long it lasts."""
    client = cast("Any", redis)
    names = [name async for name in redis.scan_iter()]
    return {name: (await client.dump(name), max(0, await client.pttl(name))) for name in names}


async def set_back(redis: Redis, copy: Copy) -> None:
    """Redis has what it had, and nothing else."""
    async with cast("Any", redis).pipeline(transaction=True) as all_at_once:
        all_at_once.flushdb()
        for name, (content, ttl) in copy.items():
            all_at_once.restore(name, ttl, content)
        await all_at_once.execute()


class Speaker:
    """Speaks on when told to."""

    def __init__(self) -> None:
        self.about_to_say = 0
        self._on = threading.Semaphore(0)

    def speak(self, number: int) -> None:
        self.about_to_say = number
        self._on.acquire(timeout=20)

    async def go_on(self, *, to: int) -> None:
        """Returns when this sentence is the next."""
        for _ in range(self.about_to_say, to):
            self._on.release()
        await wait_until(lambda: self.about_to_say == to, description=f"sentence {to} is the next")

    def finish(self) -> None:
        self._on.release(100)


async def test_r18_records_lost_in_a_failover_are_made_again(redis: Redis, settings: BaseSettings) -> None:
    """The attempt that wrote them stops at once, without a gap and without counting; the next goes on behind what is
    there. Each event is there once, and in order."""
    speaker = Speaker()
    async with (
        working(STAGES[StageName.NLP], FakeEngine(), settings),
        working(STAGES[StageName.ASR], FakeEngine(speaker.speak, segments=6), settings),
    ):
        await submit(redis, "t")
        await wait_until(lambda: speaker.about_to_say == 1, description="the speaker is about to begin")
        await speaker.go_on(to=2)
        copy = await copied(redis)
        await speaker.go_on(to=5)
        await set_back(redis, copy)
        speaker.finish()
        log = await until_ended(redis, "t")
    assert [event.step for event in log] == STEPS
    assert await records_of(redis, "t", StageName.ASR) == [1, 2, 3, 4, 5, 6, 7]
    assert await redis.hget(keys.task("t"), "attempts:asr") == b"1"


async def test_r18_a_claim_lost_in_a_failover_is_not_given_again(redis: Redis) -> None:
    """Who has it is shut out, though to that Redis the next claim is the same one."""
    scripts = Scripts(redis, LIMITS)
    await submit(redis, "t")
    copy = await copied(redis)
    lost = await scripts.claim("t", StageName.ASR, claimant="one", max_attempts=3)
    await set_back(redis, copy)

    async def later() -> bool:
        seconds, microseconds = await cast("Any", redis).time()
        return seconds * 1000 + microseconds // 1000 > lost.token

    await wait_until(later, description="a millisecond has passed")
    await scripts.claim("t", StageName.ASR, claimant="another", max_attempts=3)
    with pytest.raises(Superseded):
        await scripts.renew("t", StageName.ASR, token=lost.token, lease_ms=1000)
