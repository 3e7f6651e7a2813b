"""What ten thousand tasks leave behind once they have expired: Redis' memory and connections, and each process' memory
and open files, against what they were after the first 500. `python -m tests.bench.endurance [TASKS]`

Exits with 1 when any of them has grown by more than a twentieth.
"""

import asyncio
import sys
from collections.abc import Mapping

import psutil

from tests.bench.stand import Stand, fake_workers, standing
from tests.bench.throughput import measure
from tests.conftest import wait_until

FIRST, AT_ONCE, WARM_UP = 500, 32, 100
MOST_GROWTH = 0.05
TTL_SECONDS = 20
_ENVIRON = {
    "WORKER_CONCURRENCY": "16",
    "TASK_TTL_SECONDS": str(TTL_SECONDS),
    "WAIT_LIMIT_SECONDS": "15",
    "TOMBSTONE_SECONDS": "5",
}


async def usage(stand: Stand) -> dict[str, float]:
    """What is in use now, by name."""
    memory, clients = await stand.redis.info("memory"), await stand.redis.info("clients")
    found: dict[str, float] = {"Redis, MB": memory["used_memory"] / 1e6, "Redis, clients": clients["connected_clients"]}
    for name, process in {"gateway": stand.gateway, **stand.workers}.items():
        seen = psutil.Process(process.pid)
        found |= {f"{name}, MB": seen.memory_info().rss / 1e6, f"{name}, files": seen.num_fds()}
    return found


async def until_expired(stand: Stand, most_keys: int) -> None:
    """Returns when Redis has no more than so many keys."""

    async def expired() -> bool:
        return await keys_of(stand) <= most_keys

    await wait_until(expired, description="the tasks have expired", seconds=10 * TTL_SECONDS)


async def keys_of(stand: Stand) -> int:
    """How many keys Redis has."""
    return sum(space["keys"] for space in (await stand.redis.info("keyspace")).values())


def table(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Prints both; whether none has grown by more than it may."""
    for name, value in before.items():
        print(f"{name:18} {value:8.1f} -> {after[name]:8.1f}  {after[name] / value - 1:+.1%}")
    return all(after[name] <= value * (1 + MOST_GROWTH) for name, value in before.items())


async def main(tasks: int) -> bool:
    async with standing(fake_workers(), _ENVIRON) as stand:
        idle = await keys_of(stand)
        await measure(stand, tasks=FIRST - WARM_UP, at_once=AT_ONCE)
        await until_expired(stand, idle)
        before = await usage(stand)
        load = await measure(stand, tasks=tasks - FIRST - WARM_UP, at_once=AT_ONCE)
        await until_expired(stand, idle)
        print(f"{tasks} tasks, {load.rate:.0f}/s; after the first {FIRST} -> after all, both when they had expired:")
        return table(before, await usage(stand))


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
