"""The gateway's one connection for commands: everybody gets the answer to what they asked, whatever others ask."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError, ResponseError

from services.gateway.batch import MOST, Batching
from shared.redis import Redis, Unwilling, open_pool
from shared.settings import BaseSettings
from tests.conftest import RedisServer

TTL_MS = 60_000


@asynccontextmanager
async def at_work(settings: BaseSettings) -> AsyncGenerator[Any]:
    """A client of this kind, for the time of the block."""
    pool = open_pool(settings, name="batching")
    batching = Batching(pool)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(batching.work(), name="redis")
        try:
            yield batching
        finally:
            work.cancel()
            await pool.aclose()


async def connections(redis: Redis) -> list[dict[str, Any]]:
    clients: list[dict[str, Any]] = await cast("Any", redis).client_list()
    return [client for client in clients if client["name"] == "batching"]


async def test_everybody_gets_their_own_answer_over_one_connection(redis: Redis, settings: BaseSettings) -> None:
    """A thousand commands at once, of several kinds, each with the types that it has by itself."""
    async with at_work(settings) as batching:
        await asyncio.gather(*(batching.set(f"k{n}", str(n), px=TTL_MS) for n in range(500)))
        await asyncio.gather(*(batching.hset(f"h{n}", mapping={"n": n}) for n in range(500)))
        await asyncio.gather(*(batching.pexpire(f"h{n}", TTL_MS) for n in range(500)))
        values = await asyncio.gather(*(batching.get(f"k{n}") for n in range(500)))
        hashes = await asyncio.gather(*(batching.hgetall(f"h{n}") for n in range(500)))
        assert len(await connections(redis)) == 1
    assert values == [str(n).encode() for n in range(500)]
    assert hashes == [{b"n": str(n).encode()} for n in range(500)]


async def test_pipelines_go_the_same_way(redis: Redis, settings: BaseSettings) -> None:
    """Fifty at once, over the one connection; a refusal is raised, or given in its place."""
    async with at_work(settings) as batching:

        async def ask(number: int) -> list[Any]:
            async with batching.pipeline(transaction=False) as pipeline:
                pipeline.set(f"k{number}", number, px=TTL_MS)
                pipeline.get(f"k{number}")
                return await pipeline.execute()

        assert await asyncio.gather(*(ask(n) for n in range(50))) == [[True, str(n).encode()] for n in range(50)]
        async with batching.pipeline(transaction=False) as pipeline:
            replies = await pipeline.get("k1").hgetall("k1").execute(raise_on_error=False)
            assert (replies[0], type(replies[1])) == (b"1", ResponseError)
            with pytest.raises(ResponseError):
                await pipeline.hgetall("k1").execute()
        assert len(await connections(redis)) == 1


async def test_a_script_that_redis_does_not_know_is_loaded(settings: BaseSettings) -> None:
    """A refusal reaches the one who knows what to do about it, in this case the library."""
    async with at_work(settings) as batching:
        script = batching.register_script(b"return ARGV[1] + 1")
        assert await asyncio.gather(*(script(args=[n]) for n in range(50))) == list(range(1, 51))


async def test_a_refusal_concerns_the_one_who_asked(redis: Redis, settings: BaseSettings) -> None:
    """In the midst of others, one command is wrong and one is not taken because Redis is full."""
    await redis.set("text", b"x", px=TTL_MS)
    async with at_work(settings) as batching:
        await cast("Any", redis).config_set("maxmemory", 1)
        try:
            asked = [batching.get("text"), batching.hgetall("text"), batching.set("more", "x", px=TTL_MS)]
            first, *refused, last = await asyncio.gather(*asked, batching.get("text"), return_exceptions=True)
        finally:
            await cast("Any", redis).config_set("maxmemory", 0)
        assert (first, last) == (b"x", b"x")
        assert [type(error) for error in refused] == [ResponseError, Unwilling]
        assert await batching.get("text") == b"x"


async def test_whoever_leaves_disturbs_nobody(settings: BaseSettings) -> None:
    """Askers are cancelled before and after their command is sent; the others' answers do not shift."""
    async with at_work(settings) as batching:
        await asyncio.gather(*(batching.set(f"k{n}", str(n), px=TTL_MS) for n in range(MOST * 3)))
        asked = [asyncio.ensure_future(batching.get(f"k{n}")) for n in range(MOST * 3)]
        for turn in range(MOST * 3):
            if turn % 3 == 0:
                asked[turn].cancel()
                await asyncio.sleep(0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [answer for n, answer in enumerate(answers) if n % 3] == [str(n).encode() for n in range(MOST * 3) if n % 3]


async def test_a_connection_that_was_cut_is_made_anew(redis: Redis, settings: BaseSettings) -> None:
    """Nobody notices a cut between two commands."""
    async with at_work(settings) as batching:
        await batching.set("k", "v", px=TTL_MS)
        for _ in range(5):
            (connection,) = await connections(redis)
            await cast("Any", redis).client_kill_filter(_id=connection["id"])
            assert await asyncio.gather(*(batching.get("k") for _ in range(10))) == [b"v"] * 10


async def test_it_comes_back_with_redis(durable_server: RedisServer) -> None:
    """While Redis is away everybody is refused, and afterwards nobody is."""
    async with at_work(BaseSettings(redis_url=durable_server.url)) as batching:
        assert await batching.ping()
        durable_server.stop()
        refused = await asyncio.gather(*(batching.ping() for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in refused} == {ConnectionError}
        durable_server.start()
        assert all(await asyncio.gather(*(batching.ping() for _ in range(50))))


async def test_nobody_is_left_waiting_when_it_stops(durable_server: RedisServer) -> None:
    """Whoever still waits for an answer is refused."""
    async with asyncio.TaskGroup() as group:
        async with at_work(BaseSettings(redis_url=durable_server.url)) as batching:
            assert await batching.ping()
            durable_server.pause()
            waiting = [group.create_task(_refused(batching)) for _ in range(MOST * 2)]
            await asyncio.sleep(0.05)  # some are sent, the others wait for their turn
        durable_server.go_on()
    assert all(task.result() for task in waiting)


async def _refused(batching: Any) -> bool:
    with pytest.raises(ConnectionError, match="stopping"):
        await batching.ping()
    return True
