"""Who is alive, by Redis' clock alone."""

import threading
import time
from typing import Any

import pytest

from shared import keys, presence
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import working


async def live(redis: Redis, stage: StageName) -> list[str]:
    return [info["worker"] for info in (await presence.live(redis))[stage]]


async def test_a_worker_is_there_until_it_leaves(redis: Redis) -> None:
    """Who announces itself is live with what it said; who withdraws is not. Other stages are empty, not missing."""
    await presence.announce(redis, StageName.ASR, "one", {"engine": "fake"})
    assert await presence.live(redis) == {
        StageName.ASR: [{"worker": "one", "engine": "fake"}],
        StageName.TRANSLATE: [],
        StageName.NLP: [],
        StageName.INSIGHTS: [],
    }
    await presence.withdraw(redis, StageName.ASR, "one")
    assert await live(redis, StageName.ASR) == []


@pytest.mark.parametrize("hours_off", [-48, 48])
async def test_a_wrong_clock_changes_nothing(redis: Redis, monkeypatch: pytest.MonkeyPatch, hours_off: int) -> None:
    """A worker whose clock is days off is live as any other, throws no other out, and lapses as any other."""
    await presence.announce(redis, StageName.NLP, "right", {})
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600 * hours_off)
    monkeypatch.setattr(presence, "_LAPSE_SECONDS", 0.2)
    await presence.announce(redis, StageName.NLP, "wrong", {})
    assert sorted(await live(redis, StageName.NLP)) == ["right", "wrong"]
    monkeypatch.setattr(time, "time", true_time)

    async def lapsed() -> bool:
        return await live(redis, StageName.NLP) == ["right"]

    await wait_until(lapsed, description="the worker that is silent is gone")


async def test_the_dead_leave_no_names(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of names is cleaned by whoever announces itself next."""
    monkeypatch.setattr(presence, "_LAPSE_SECONDS", 0.05)
    await presence.announce(redis, StageName.NLP, "dead", {})

    async def cleaned() -> bool:
        await presence.announce(redis, StageName.ASR, "alive", {})
        return await redis.zrange(keys.WORKERS, 0, -1) == [b"asr/alive"]

    await wait_until(cleaned, description="the name of the dead is gone")


async def test_what_a_stage_could_do_is_remembered(redis: Redis) -> None:
    """Each kind of worker once, the latest first, also when none is left; and no more than fifty kinds."""
    for worker_id, model in (("a", "small"), ("b", "large"), ("c", "small")):
        await presence.announce(redis, StageName.ASR, worker_id, {"model": model})
        await presence.withdraw(redis, StageName.ASR, worker_id)
    assert (await presence.live(redis))[StageName.ASR] == []
    assert {info["model"] for info in await presence.remembered(redis, StageName.ASR)} == {"small", "large"}
    assert await presence.remembered(redis, StageName.NLP) == []
    for number in range(60):
        await presence.announce(redis, StageName.NLP, "d", {"model": number})
    remembered = await presence.remembered(redis, StageName.NLP)
    assert len(remembered) == 50


async def test_a_memory_fades(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has said for a day is forgotten, while what is said again stays."""
    monkeypatch.setattr(presence, "MEMORY_SECONDS", 0.2)
    await presence.announce(redis, StageName.ASR, "a", {"model": "old"})

    async def forgotten() -> bool:
        await presence.announce(redis, StageName.ASR, "b", {"model": "new"})
        return await presence.remembered(redis, StageName.ASR) == [{"model": "new"}]

    await wait_until(forgotten, description="the old model is forgotten")


async def test_an_engine_is_asked_what_it_can_do_where_it_computes(redis: Redis, settings: BaseSettings) -> None:
    """Not on the event loop, which would stand still meanwhile: a model of many languages has much to tell."""
    asked: list[str] = []

    class Talkative(FakeEngine):
        def describe(self) -> dict[str, Any]:
            asked.append(threading.current_thread().name)
            return super().describe()

    async with working(STAGES[StageName.NLP], Talkative(), settings):

        async def is_live() -> bool:
            return bool(await live(redis, StageName.NLP))

        await wait_until(is_live, description="the worker has announced itself")
    assert asked
    assert all(name.startswith("device") for name in asked)
