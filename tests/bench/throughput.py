"""Whole four-stage tasks per second over HTTP, with engines that cost nothing, and how late events come meanwhile.

`python -m tests.bench.throughput [TASKS] [AT_ONCE]`
"""

import asyncio
import sys
import time
from datetime import datetime

import aiohttp
import msgspec

from tests.bench.stand import Stand, fake_workers, quantiles, short_wav, standing


class Load(msgspec.Struct):
    """What the clients saw."""

    tasks: int
    seconds: float
    latencies_ms: list[float]

    @property
    def rate(self) -> float:
        return self.tasks / self.seconds


async def measure(stand: Stand, *, tasks: int, at_once: int) -> Load:
    """`tasks` submissions, `at_once` streams open at a time; the first hundred warm everything up and do not count."""
    wav = short_wav()
    latencies: list[float] = []
    places = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def run_all(count: int) -> float:
            started = time.perf_counter()
            await asyncio.gather(*(_one(session, stand.url, wav, places, latencies) for _ in range(count)))
            return time.perf_counter() - started

        await run_all(100)
        latencies.clear()
        seconds = await run_all(tasks)
    return Load(tasks=tasks, seconds=seconds, latencies_ms=latencies)


async def _one(
    session: aiohttp.ClientSession, url: str, wav: bytes, places: asyncio.Semaphore, latencies: list[float]
) -> None:
    async with places:
        form = aiohttp.FormData()
        form.add_field("audio", wav, filename="a.wav")
        form.add_field("include_translation", "true")
        form.add_field("include_insights", "true")
        async with session.post(f"{url}/audio/process-stream-realtime", data=form) as response:
            response.raise_for_status()
            last = None
            async for line in response.content:
                if line.startswith(b"data: "):
                    now = time.time()
                    last = msgspec.json.decode(line[6:])
                    latencies.append((now - datetime.fromisoformat(last["timestamp"]).timestamp()) * 1000)
            if last is None or last["step"] != "completed":
                raise RuntimeError(f"a task ended with {last}")


async def main(tasks: int, at_once: int) -> None:
    async with standing(fake_workers(), {"WORKER_CONCURRENCY": "16"}) as stand:
        load = await measure(stand, tasks=tasks, at_once=at_once)
    median, late = quantiles(load.latencies_ms)
    print(f"{load.rate:.0f} tasks/s with {at_once} at once; event latency p50 {median:.1f} ms, p99 {late:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, int(sys.argv[2]) if len(sys.argv) > 2 else 32))
