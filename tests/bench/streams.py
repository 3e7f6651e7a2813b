"""What one gateway process bears: 5,000 open streams, each of a task of its own, and 1,000 events a second in all.

Memory is the gateway's own, before and after the streams are open and idle. Latency is from before an event's commit to
its arrival at the client. Publisher and clients are processes of their own. `python -m tests.bench.streams`
"""

import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from typing import cast

import psutil
import uvloop

from services.gateway.limits import raise_file_limit
from shared import codec, queue
from shared.messages import Options, StageName, Step
from shared.redis import Redis
from shared.scripts import Scripts, Submission
from tests.bench.latency import LIMITS, publish
from tests.bench.stand import quantiles, standing
from tests.conftest import wait_until

STREAMS, EVENTS, RATE = 5_000, 20_000, 1_000
AT_ONCE = 100
SETTLING_SECONDS = 10
"""Longer than between two pings: the streams are idle, and cost what an idle stream costs."""


class Watcher(asyncio.Protocol):
    """One client: follows a stream to its end and notes how late each event is."""

    def __init__(self, task_id: str, latencies: list[float], opened: asyncio.Future[None]) -> None:
        self._request = f"GET /audio/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._latencies = latencies
        self._opened = opened
        self._rest = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self._take(line[6:], now)
            elif line == b": open" and not self._opened.done():
                self._opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the stream ended early"))

    def _take(self, data: bytes, now: float) -> None:
        event = codec.decode_event(data)
        if event.step is not Step.COMPLETED:
            self._latencies.append((now - event.timestamp.timestamp()) * 1000)
        elif not self.ended.done():
            self.ended.set_result(None)


async def watch(port: int, streams: int) -> None:
    """What the clients' process does: says `open` when all streams are, and at the end how late events were."""
    raise_file_limit()
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def open_one(task_id: str) -> Watcher:
        async with turn:
            opened: asyncio.Future[None] = loop.create_future()
            _, watcher = await loop.create_connection(lambda: Watcher(task_id, latencies, opened), "127.0.0.1", port)
            await opened
            return watcher

    watchers = await asyncio.gather(*(open_one(f"t{number}") for number in range(streams)))
    gc.collect()
    gc.disable()  # a pause of this process would count as lateness of the gateway
    print("open", flush=True)
    await asyncio.gather(*(watcher.ended for watcher in watchers))
    assert len(latencies) == EVENTS, f"{len(latencies)} of {EVENTS} events"
    median, late = quantiles(latencies)
    print(f"{len(latencies)} events: p50 {median:.2f} ms, p99 {late:.2f} ms, worst {max(latencies):.2f} ms")


async def submit(redis: Redis, streams: int) -> None:
    """A task for each stream, at work."""
    scripts = Scripts(redis, LIMITS)
    turn = asyncio.Semaphore(16)

    async def one(task_id: str) -> None:
        async with turn:
            route, job = (StageName.NLP,), queue.stage_job(task_id)
            submission = Submission(task_id=task_id, route=route, options=Options(), job=job, blob="none")
            await scripts.submit(submission)
            await scripts.claim(task_id, StageName.NLP, claimant="bench", max_attempts=1)

    await asyncio.gather(*(one(f"t{number}") for number in range(streams)))


async def main() -> None:
    async with standing() as stand:
        await submit(stand.redis, STREAMS)
        gateway = psutil.Process(stand.gateway.pid)
        idle = gateway.memory_info().rss
        watching = await _start("watch", stand.url.rpartition(":")[2], str(STREAMS))
        assert watching.stdout
        assert await watching.stdout.readline() == b"open\n"

        async def listening() -> bool:
            return (await stand.redis.info("stats"))["pubsub_channels"] == STREAMS

        await wait_until(listening, description="the gateway listens to all tasks")
        await asyncio.sleep(SETTLING_SECONDS)
        held = gateway.memory_info().rss
        print(
            f"{STREAMS} idle streams: {(held - idle) / STREAMS / 1000:.1f} kB each (idle gateway: {idle / 1e6:.0f} MB)"
        )
        before = gateway.cpu_times()
        publisher = await _start("publish", stand.settings.redis_url, str(STREAMS))
        print((await watching.stdout.read()).decode().rstrip())
        await publisher.wait()
        after = gateway.cpu_times()
        busy = after.user + after.system - before.user - before.system
        print(f"the gateway's processor time: {busy / EVENTS * 1e6:.0f} µs an event")


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.bench.streams", *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


def run(arguments: Sequence[str]) -> None:
    match arguments:
        case ["watch", port, streams]:
            uvloop.run(watch(int(port), int(streams)))
        case ["publish", url, streams]:
            asyncio.run(publish(url, int(streams), events=EVENTS, rate=RATE))
        case _:
            asyncio.run(main())


if __name__ == "__main__":
    run(sys.argv[1:])
