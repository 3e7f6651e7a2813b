"""How long a job waits from the record to its claim by an idle worker: `python -m tests.bench.handoff`.

Times are those of the Redis server, in milliseconds, as the task's record keeps them.
"""

import asyncio

from shared import keys
from shared.messages import StageName, State
from shared.redis import Redis
from tests.bench.stand import Stand, fake_workers, quantiles, standing
from tests.conftest import wait_until
from tests.mesh import submit

TASKS = 200


async def measure(stand: Stand) -> dict[StageName, list[float]]:
    """The waits of each stage over tasks that run one at a time, in milliseconds."""
    waits: dict[StageName, list[float]] = {stage: [] for stage in StageName}
    for number in range(TASKS):
        fields = await _run(stand.redis, f"t{number}")
        for stage in StageName:
            waits[stage].append(float(fields[f"claimed:{stage}".encode()]) - float(fields[f"queued:{stage}".encode()]))
    return waits


async def _run(redis: Redis, task_id: str) -> dict[bytes, bytes]:
    await submit(redis, task_id, translation=True, insights=True)

    async def completed() -> bool:
        return await redis.hget(keys.task(task_id), "state") == State.COMPLETED.encode()

    await wait_until(completed, description=f"{task_id} completes")
    return await redis.hgetall(keys.task(task_id))


async def main() -> None:
    async with standing(fake_workers()) as stand:
        waits = await measure(stand)
    for stage, values in waits.items():
        median, late = quantiles(values)
        print(f"hand-off to {stage:9}: median {median:.0f} ms, p99 {late:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
