"""What no worker can say of itself: how long the queues are, how long jobs wait, and of which stage no worker is left.

Every gateway counts, because there is always one; what several of them say is the same. While Redis is away the gauges
are NaN, with which no comparison holds: that is told by other metrics.
"""

import asyncio
import math

from services.gateway.fleet import Fleet, Kind
from shared import keys, metrics
from shared.messages import StageName
from shared.redis import AWAY, Redis, answered

ROUND_SECONDS = 5.0
_PAGE = 100
"""Jobs that are looked at together in search of one that nobody holds. Those in hand stand at the head."""
_GAUGES = (metrics.QUEUE_JOBS, metrics.QUEUE_OLDEST_SECONDS, metrics.LEASES, metrics.WORKERS, metrics.CAPACITY)


class Census:
    """Counts every `ROUND_SECONDS` while `work` runs."""

    def __init__(self, redis: Redis, fleet: Fleet) -> None:
        self._redis = redis
        self._fleet = fleet
        metrics.show_ends()
        _forget()

    async def work(self) -> None:
        """Count again and again, for ever."""
        while True:
            try:
                await self.count()
            except AWAY:
                _forget()
            await asyncio.sleep(ROUND_SECONDS)

    async def count(self) -> None:
        """Set the gauges. Raises one of `AWAY` when Redis does not answer."""
        live = (await self._fleet.view()).live
        for stage in StageName:
            kinds: tuple[Kind, ...] = getattr(live, stage)
            jobs = await answered(self._redis.zcard(keys.queue(stage)))
            metrics.WORKERS.labels(stage).set(sum(kind.workers for kind in kinds))
            metrics.CAPACITY.labels(stage).set(sum(kind.concurrency for kind in kinds))
            metrics.QUEUE_JOBS.labels(stage).set(jobs)
            leases, oldest_seconds = await self._waiting(stage) if jobs else (0, 0.0)
            metrics.LEASES.labels(stage).set(leases)
            metrics.QUEUE_OLDEST_SECONDS.labels(stage).set(oldest_seconds)

    async def _waiting(self, stage: StageName) -> tuple[int, float]:
        """How many jobs are in hand, and for how long the oldest of the others has been due: by the clock of Redis,
        which has set the due times. Behind a page of which nothing is in hand, nothing is."""
        seconds, _ = await answered(self._redis.time())
        now = seconds * 1000
        in_hand, start, oldest_seconds = 0, 0, 0.0
        queue = keys.queue(stage)
        while page := await answered(self._redis.zrangebyscore(queue, "-inf", now, start=start, num=_PAGE)):
            leases = await answered(self._redis.mget([keys.LEASE_PREFIX + job_id.decode() for job_id in page]))
            for job_id, lease in zip(page, leases, strict=True):
                due = None if lease or oldest_seconds else await answered(self._redis.zscore(queue, job_id))
                if due is not None:  # one without a lease may just have left
                    oldest_seconds = (now - due) / 1000
            in_hand += sum(lease is not None for lease in leases)
            if oldest_seconds and not any(leases):
                break
            start += len(page)
        return in_hand, oldest_seconds


def _forget() -> None:
    for gauge in _GAUGES:
        for stage in StageName:
            gauge.labels(stage).set(math.nan)
