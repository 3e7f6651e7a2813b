"""Tasks that come in evenly, without anybody waiting for room: whether each is accepted and completed, and how fast.

Engines cost nothing. Fails when a submission is refused or a task ends otherwise than completed.
`python -m tests.bench.submissions [TASKS] [PER_SECOND]`
"""

import asyncio
import sys
import time

import aiohttp

from shared import tasks
from shared.messages import State
from tests.bench.stand import Stand, fake_workers, quantiles, short_wav, standing
from tests.conftest import wait_until


async def submit_all(stand: Stand, *, count: int, per_second: float) -> tuple[list[str], list[float]]:
    """The ids of `count` tasks, and how long each submission took (ms)."""
    wav, started = short_wav(), time.perf_counter()
    ids, latencies = list[str](), list[float]()

    async def submit(session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        form = aiohttp.FormData({"include_translation": "true", "include_insights": "true"})
        form.add_field("audio", wav, filename="a.wav")
        sent = time.perf_counter()
        async with session.post(f"{stand.url}/audio/tasks", data=form) as answer:
            assert answer.status == 202, await answer.text()
            ids.append((await answer.json())["task_id"])
        latencies.append((time.perf_counter() - sent) * 1000)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(submit(session, number))
    return ids, latencies


async def main(count: int, per_second: float) -> None:
    async with standing(fake_workers(), {"WORKER_CONCURRENCY": "16"}) as stand:
        started = time.perf_counter()
        ids, latencies = await submit_all(stand, count=count, per_second=per_second)

        async def ended() -> bool:
            states = await tasks.states(stand.redis, ids)
            return all(state is not None and state.terminal for state in states)

        await wait_until(ended, description="all tasks have ended", seconds=120)
        seconds = time.perf_counter() - started
        states = await tasks.states(stand.redis, ids)
        assert all(state is State.COMPLETED for state in states), f"not all of {count} are completed"
    median, late = quantiles(latencies)
    print(f"{count} tasks at {per_second:.0f}/s: no error, all completed after {seconds:.1f} s;", end=" ")
    print(f"submission p50 {median:.1f} ms, p99 {late:.1f} ms")


if __name__ == "__main__":
    asyncio.run(
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, float(sys.argv[2]) if len(sys.argv) > 2 else 50.0)
    )
