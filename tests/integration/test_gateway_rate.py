"""How many requests a tenant may make."""

import asyncio
import re
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.gateway import client_of, served, serving
from tests.fakes.tenants import BATCH, ENTRIES, WEB, bearing, posted, statuses

PATH = "/audio/tasks/none"
FIELD = re.compile(r'"requests";r=(\d+);t=(\d+)')


@pytest.fixture
def guarded(settings: BaseSettings, tmp_path: Path) -> Settings:
    """Ten requests a minute: the next one fits after six seconds."""
    return Settings(
        redis_url=settings.redis_url,
        blob_url=settings.blob_url,
        spool_dir=tmp_path / "spool",
        api_keys=ENTRIES,
        requests_per_minute=10,
    )


def asking(client: httpx.AsyncClient, key: str, *, count: int) -> list[asyncio.Task[httpx.Response]]:
    """Requests that go out together."""
    return [asyncio.create_task(client.get(PATH, headers=bearing(key)), name="request") for _ in range(count)]


async def test_requests_beyond_the_rate_are_told_when_to_come_back(guarded: Settings) -> None:
    """Of thirty at once, at two gateways, ten are answered; the rest gets 429 with the seconds until the next one fits,
    and another tenant notices nothing."""
    async with serving(guarded) as one, serving(guarded) as two, client_of(one) as first, client_of(two) as second:
        calls = asking(first, WEB, count=15) + asking(second, WEB, count=15)
        assert sorted(await statuses(calls)) == [404] * 10 + [429] * 20
        assert await statuses(asking(second, BATCH, count=5)) == [404] * 5
        refused = await first.get(PATH, headers=bearing(WEB))
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["retry-after"]) <= 6
    assert refused.headers["ratelimit-policy"] == '"requests";q=10;w=60'


async def test_answers_say_how_many_requests_are_left(guarded: Settings) -> None:
    """In the fields of the IETF's draft: answers, streams, refusals of any kind, and the refusal for the rate itself,
    after which all are there again in a minute."""
    async with served(guarded) as client:
        made = await posted(client, WEB)
        answers = [made, await client.get(PATH, headers=bearing(WEB))]
        answers.append(await client.get("/audio/tasks?colour=red", headers=bearing(WEB)))
        answers.append(await client.get("/v1/models", headers=bearing(WEB)))
        async with client.stream("GET", made.json()["links"]["self"] + "/events", headers=bearing(WEB)) as stream:
            answers.append(stream)
        answers += await asyncio.gather(*asking(client, WEB, count=5))
        answers.append(await client.get(PATH, headers=bearing(WEB)))
        said = [FIELD.fullmatch(answer.headers["ratelimit"]) for answer in answers]
        left, seconds = zip(*((int(found[1]), int(found[2])) for found in said if found), strict=True)
        assert sorted(left[:10], reverse=True) == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "none is refilled for six seconds"
        assert (answers[-1].status_code, left[-1]) == (429, 0)
        assert seconds[0] == 6
        assert 54 < seconds[-1] <= 60
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"requests";q=10;w=60'}
        for path in ("/health/live", "/schema"):
            assert "ratelimit" not in (await client.get(path, headers=bearing(WEB))).headers
        assert "ratelimit" not in (await client.get(PATH)).headers
        document = (await client.get("/schema")).json()
    described = document["paths"]["/audio/tasks"]["post"]["responses"]
    assert {status for status, told in described.items() if "RateLimit" in told.get("headers", {})} == {*described} - {
        "401",
        "403",
    }


async def test_a_request_that_comes_back_in_time_is_answered(guarded: Settings, redis: Redis) -> None:
    """`Retry-After` is true: after as long there is room for one more, and what was refused did not count."""
    async with served(msgspec.structs.replace(guarded, requests_per_minute=120)) as client:
        answers = await asyncio.gather(*asking(client, WEB, count=150))
        assert sorted(answer.status_code for answer in answers)[:120] == [404] * 120
        assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}
        due = time.monotonic() + 1
        await wait_until(lambda: time.monotonic() > due, description="it is time")
        assert (await client.get(PATH, headers=bearing(WEB))).status_code == 404
    assert [key async for key in redis.scan_iter("vm:rate:*")] == [b"vm:rate:tenant:web"]


async def test_a_link_counts_by_itself(guarded: Settings) -> None:
    """One that has got around cannot lock its tenant out, and is itself bounded."""
    async with served(guarded) as client:
        made = (await posted(client, WEB)).json()
        events = made["links"]["events"]
        for _ in range(10):
            async with client.stream("GET", events) as response:
                assert response.status_code == 200
        assert (await client.get(events)).status_code == 429
        assert (await client.get(made["links"]["self"], headers=bearing(WEB))).status_code == 200


async def test_what_is_open_to_all_is_not_counted(guarded: Settings) -> None:
    """Probes and scrapes come as often as they like, and so does somebody without a key, who is let in nowhere."""
    async with served(guarded) as client:
        for _ in range(15):
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.get(PATH)).status_code == 401
        assert (await client.get(PATH, headers=bearing(WEB))).status_code == 404


async def test_no_rate_is_no_limit(guarded: Settings, redis: Redis) -> None:
    """0 leaves it out, says nothing of it, and asks Redis nothing."""
    async with served(msgspec.structs.replace(guarded, requests_per_minute=0)) as client:
        assert "ratelimit" not in (await client.get(PATH, headers=bearing(WEB))).headers
        assert await statuses(asking(client, WEB, count=50)) == [404] * 50
    assert [key async for key in redis.scan_iter("vm:rate:*")] == []
