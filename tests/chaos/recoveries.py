"""How long work lies when its worker dies."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from shared import keys
from shared.messages import StageName, State
from shared.redis import Redis, persist

_LOOK_SECONDS = 0.05


class Job(NamedTuple):
    """A stage of a task in somebody's hands."""

    task_id: str
    stage: StageName
    claimant: bytes

    def is_of(self, pid: int) -> bool:
        """Whether the worker with this process id is at it."""
        return f"-{pid}-".encode() in self.claimant


class Recoveries:
    """`seconds` has one entry for each job that was in the hands of somebody who died."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` may stand while Redis is away."""
        self.seconds: list[float] = []
        self._redis = redis
        self._clock = clock

    async def in_hand(self) -> Sequence[Job]:
        """What all workers are at."""
        return await persist(self._jobs)

    async def follow(self, jobs: Sequence[Job]) -> None:
        """Returns once somebody else is at each of these jobs, or there is nothing left to do."""
        start = self._clock()
        await asyncio.gather(*(self._follow(job, start) for job in jobs))

    async def _follow(self, job: Job, start: float) -> None:
        while True:
            if job not in await persist(lambda: self._jobs_of(job.task_id)):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self.seconds.append(self._clock() - start)

    async def _jobs(self) -> list[Job]:
        names = await self._redis.zrange(keys.WATCH, 0, -1)
        return [job for name in names for job in await self._jobs_of(name.decode())]

    async def _jobs_of(self, task_id: str) -> list[Job]:
        fields = [f"{what}:{stage}" for stage in StageName for what in ("claimant", "ended")]
        values = await cast("Any", self._redis).hmget(keys.task(task_id), "state", *fields)
        if values[0] != State.RUNNING.value.encode():
            return []
        claims = zip(StageName, values[1::2], values[2::2], strict=True)
        return [Job(task_id, stage, claimant) for stage, claimant, ended in claims if claimant and ended is None]
