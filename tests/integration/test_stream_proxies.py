"""What lies between gateway and client: proxies that collect and that cut, and clients that read slowly or late."""

import asyncio
import time

import httpx
import psutil

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.gateway import blocks, frames, serving, until_ready
from tests.fakes.proxy import proxied
from tests.fakes.task import LiveTask
from tests.mesh import gateway_process


def client_at(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)


async def test_s03_a_proxy_that_collects_passes_events_on_at_once(gateway_settings: Settings, task: LiveTask) -> None:
    """Behind a proxy that holds answers back unless they say not to, an event is there before the next is told."""
    async with serving(gateway_settings) as server, proxied(server.config.port) as (_, port), client_at(port) as client:
        async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
            seen = frames(response)
            for _ in range(5):
                await task.say("A word.")
                async with asyncio.timeout(20):
                    await anext(seen)
        kept = await client.get("/health/live")
        assert kept.text == "live\n"


async def test_s05_a_proxy_that_cuts_silence_leaves_the_stream_alone(
    gateway_settings: Settings, task: LiveTask
) -> None:
    """From the connection on, and for three times as long as the proxy would bear, nothing happens but pings."""
    async with (
        serving(gateway_settings) as server,
        proxied(server.config.port, idle_seconds=2.0) as (proxy, port),
        client_at(port) as client,
        client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response,
    ):
        opened = time.monotonic()
        pieces = blocks(response)
        assert await anext(pieces) == b": open"
        while time.monotonic() - opened < 6.0:
            assert await anext(pieces) == b": ping"
        await task.complete()
        assert b"id: 1-0" in await anext(piece async for piece in pieces if piece != b": ping")
        assert proxy.cut == 0


def test_s05_pings_come_more_often_than_promised() -> None:
    """Clients are promised one every 15 seconds."""
    assert Settings().ping_seconds <= 12


async def test_s15_a_late_client_gets_a_long_log(gateway_settings: Settings, redis: Redis) -> None:
    """5,000 events, twenty times what the ring holds: the first byte comes at once, and all of them in order."""
    task = await LiveTask(redis).create()
    await task.chatter(5_000)
    async with serving(gateway_settings) as server, client_at(server.config.port) as client:
        before = time.monotonic()
        async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
            seen = frames(response)
            ids = [(await anext(seen))[0]]
            first = time.monotonic() - before
            await task.complete()
            ids += [name async for name, _ in seen]
            assert first < (time.monotonic() - before) / 2
    assert ids == [f"{number}-0" for number in range(1, 5_002)]


async def test_s15_a_slow_reader_costs_no_memory_and_misses_nothing(redis: Redis, settings: BaseSettings) -> None:
    """Ten clients that read nothing while 40 MB are published for each of them do not make the process grow by as
    much as one of them is owed; afterwards each gets every event."""
    task = await LiveTask(redis).create()
    port = free_port()
    with gateway_process(settings, port=port) as process:
        async with client_at(port) as client:
            await until_ready(client)
            path = f"/audio/tasks/{task.task_id}/events"
            streams = [await client.send(client.build_request("GET", path), stream=True) for _ in range(10)]
            readers = [frames(stream) for stream in streams]
            await task.say("x" * 1_000)
            assert [(await anext(reader))[0] for reader in readers] == ["1-0"] * 10
            before = psutil.Process(process.pid).memory_info().rss
            await task.chatter(2_000, "y" * 20_000)
            await task.complete()
            assert psutil.Process(process.pid).memory_info().rss - before < 30e6
            for reader, stream in zip(readers, streams, strict=True):
                assert [name async for name, _ in reader] == [f"{number}-0" for number in range(2, 2_003)]
                await stream.aclose()


async def test_s10_nothing_is_left_of_a_client_that_leaves(gateway_settings: Settings, task: LiveTask) -> None:
    """Whether something happens on its stream or nothing, it is gone at once, and its task goes on."""
    async with serving(gateway_settings) as server, client_at(server.config.port) as client:
        await until_ready(client)
        before = len(asyncio.all_tasks())
        for chatty in (False, True):
            async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                await anext(blocks(response))
                if chatty:
                    await task.say("A word.")
            await wait_until(lambda: len(asyncio.all_tasks()) <= before, description="its tasks have ended")
        assert (await client.get(f"/audio/tasks/{task.task_id}")).json()["state"] == "queued"
