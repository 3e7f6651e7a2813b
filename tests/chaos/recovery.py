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

from shared import logs
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
    """Workers that have one task each in hand, all of which go on for ever."""

    def __init__(self, redis: Redis, settings: BaseSettings) -> None:
        self.recoveries = Recoveries(redis)
        self._settings = settings
        self._processes = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for _ in range(AT_ONCE):
            self._hire()
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    async def lose_all(self) -> None:
        """Kill each worker, at different times after it has renewed its lease; returns when others have taken over."""
        await wait_until(self._all_at_work, description="each worker has a task in hand", seconds=60)
        async with asyncio.TaskGroup() as group:
            for worker in self._workers[:]:
                jobs = await self.recoveries.in_hand(worker.pid)
                worker.kill()
                group.create_task(self.recoveries.follow(jobs))
                self._workers.remove(worker)
                self._hire()
                await asyncio.sleep(random.uniform(0.0, 1.0))

    async def _all_at_work(self) -> bool:
        return all([await self.recoveries.in_hand(worker.pid) for worker in self._workers])

    def _hire(self) -> None:
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
                        await ward.lose_all()
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
