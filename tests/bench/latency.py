"""How late an event reaches a client: from before its commit to the line at the client, at 1, 100 and 500 open streams.

Each stream follows a task of its own; events of 350 bytes go to the tasks in turn, 100 a second in all, committed by
another process through the same script that stages use. `python -m tests.bench.latency`
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import psutil

from shared import codec, keys, queue
from shared.commit import Commit, PublishedEvent
from shared.events import make
from shared.messages import Options, StageName, Step, Summary
from shared.redis import connected
from shared.scripts import Limits, Scripts, Submission
from shared.settings import BaseSettings
from tests.bench.stand import Stand, quantiles, standing

LIMITS = Limits(ttl_ms=600_000, wait_ms=600_000)
EVENTS = 1000
RATE = 100
PADDING = Summary(summary="x" * 180)


async def publish(url: str, streams: int, *, events: int = EVENTS, rate: int = RATE) -> None:
    """What the other process does: `events` events at `rate` a second, evenly over the tasks, then the end of each."""
    async with connected(BaseSettings(redis_url=url), name="publisher") as redis:
        scripts = Scripts(redis, LIMITS)
        started = time.perf_counter()
        for number in range(events):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            await _commit(scripts, f"t{number % streams}", Step.TRANSCRIPTION, record=number + 1)
        for number in range(streams):
            await _commit(scripts, f"t{number}", Step.COMPLETED)


async def _commit(scripts: Scripts, task_id: str, step: Step, *, record: int = 0) -> None:
    event = make(task_id, step, partial=PADDING)
    shown = PublishedEvent(data=codec.encode_text(event), step=step, progress=event.progress, record=record)
    await scripts.commit(
        Commit(
            task_id=task_id,
            stage=StageName.NLP,
            job_id=keys.job_id(task_id, StageName.NLP),
            before=keys.SOURCE,
            position=0,
            token=1,
            channel=keys.channel(task_id),
            ttl_ms=LIMITS.ttl_ms,
            wait_ms=LIMITS.wait_ms,
            events=[shown],
        )
    )


async def measure(stand: Stand, streams: int) -> list[float]:
    """The latency of each event, in milliseconds."""
    scripts = Scripts(stand.redis, LIMITS)
    for number in range(streams):
        task_id = f"t{number}"
        route = (StageName.NLP,)
        await scripts.submit(
            Submission(task_id=task_id, route=route, options=Options(), job=queue.stage_job(task_id), blob="none")
        )
        await scripts.claim(task_id, StageName.NLP, claimant="bench", max_attempts=1)
    port = int(stand.url.rpartition(":")[2])
    latencies: list[float] = []
    opened = [asyncio.Event() for _ in range(streams)]
    clients = [asyncio.create_task(_follow(port, f"t{n}", opened[n], latencies)) for n in range(streams)]
    for event in opened:
        await event.wait()
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.latency", "publish", stand.settings.redis_url, str(streams)
    )
    await publisher.wait()
    await asyncio.gather(*clients)
    return latencies


async def _follow(port: int, task_id: str, opened: asyncio.Event, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /audio/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    while (await reader.readline()).strip():
        pass
    opened.set()
    async for line in reader:
        if line.startswith(b"data: "):
            now = time.time()
            event = codec.decode_event(line[6:])
            if event.step is Step.COMPLETED:
                break
            latencies.append((now - event.timestamp.timestamp()) * 1000)
    writer.close()


async def main(counts: Sequence[int]) -> None:
    for streams in counts:
        async with standing() as stand:
            idle = psutil.Process(stand.gateway.pid).memory_info().rss
            median, late = quantiles(await measure(stand, streams))
        if streams == counts[0]:
            print(f"idle gateway: {idle / 1e6:.0f} MB of memory")
        print(f"{streams:4d} streams: event latency p50 {median:.2f} ms, p99 {late:.2f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        asyncio.run(publish(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(main((1, 100, 500)))
