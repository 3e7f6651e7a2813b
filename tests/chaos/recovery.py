"""Measures how long work lies when its worker is killed: `python -m tests.chaos.recovery --kills 20`.

With leases of the usual length and a limit of four hours on what a stage may take. Exits with 1 when it was too long.
"""

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from shared import keys, logs
from shared.messages import StageName
from shared.redis import Redis, connected
from shared.settings import BaseSettings
from tests.chaos.ordeal import RECOVERY_SECONDS
from tests.chaos.recoveries import Recoveries
from tests.conftest import RedisServer, free_port, wait_until
from tests.mesh import submit, worker_process

AT_ONCE = 5
_ENVIRON = {
    "RUN_LIMIT_SECONDS": "14400",
    "WORKER_CONCURRENCY": "1",
    "MAX_ATTEMPTS": "999",
    "FAKE_SEGMENTS": "1000000",
    "FAKE_SECONDS": "0.2",
    "LOG_LEVEL": "error",
}


class Ward:
    """`AT_ONCE` workers that have one task each in hand, which goes on for ever, and as many with nothing to do."""

    def __init__(self, redis: Redis, settings: BaseSettings) -> None:
        self.recoveries = Recoveries(redis)
        self._redis = redis
        self._settings = settings
        self._processes = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._hire(2 * AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    async def lose_half(self) -> None:
        """Kill each worker that has a task in hand, at different times after it has renewed its lease; returns when the
        others have taken over, and as many new ones are on their way."""
        await wait_until(self._complete, description="all workers are there, half of them at work", seconds=120)
        async with asyncio.TaskGroup() as group:
            for worker in self._workers[:]:
                if jobs := [job for job in await self.recoveries.in_hand() if job.is_of(worker.pid)]:
                    worker.kill()
                    self._workers.remove(worker)
                    group.create_task(self.recoveries.follow(jobs))
                    await asyncio.sleep(random.uniform(0.0, 1.0))
        self._hire(AT_ONCE)

    async def _complete(self) -> bool:
        there = await self._redis.zrange(keys.WORKERS, 0, -1)
        ready = [worker for worker in self._workers if any(f"-{worker.pid}-".encode() in name for name in there)]
        jobs = await self.recoveries.in_hand()
        at_work = [worker for worker in ready if any(job.is_of(worker.pid) for job in jobs)]
        return len(ready) == 2 * AT_ONCE and len(at_work) == AT_ONCE

    def _hire(self, count: int) -> None:
        for _ in range(count):
            process = self._processes.enter_context(worker_process(StageName.ASR, self._settings, _ENVIRON))
            self._workers.append(process)


async def measure(kills: int) -> list[float]:
    """Seconds from each kill until another worker goes on with the task."""
    with TemporaryDirectory(prefix="voxmesh-recovery-") as folder:
        server = RedisServer(Path(folder), port=free_port())
        server.start()
        settings = BaseSettings(redis_url=server.url, blob_url=f"file://{folder}/blobs")
        try:
            async with connected(settings, name="recovery") as redis:
                for number in range(AT_ONCE):
                    await submit(redis, f"t{number}")
                with Ward(redis, settings) as ward:
                    while len(ward.recoveries.seconds) < kills:
                        await ward.lose_half()
        finally:
            server.stop()
    return ward.recoveries.seconds


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help=f"at least; they come by {AT_ONCE}")
    logs.configure(BaseSettings(log_level="error"), service="recovery")
    seconds = asyncio.run(measure(parser.parse_args().kills))
    print(f"{len(seconds)} kills, recovery: median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s")
    sys.exit(max(seconds) > RECOVERY_SECONDS)


if __name__ == "__main__":
    main()
