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
_GAUGES = (metrics.QUEUE_JOBS, metrics.QUEUE_OLDEST_SECONDS, metrics.WORKERS, metrics.CAPACITY)


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
            metrics.QUEUE_OLDEST_SECONDS.labels(stage).set(await self._oldest_seconds(stage) if jobs else 0.0)

    async def _oldest_seconds(self, stage: StageName) -> float:
        """By the clock of Redis, which has set the due times."""
        seconds, _ = await answered(self._redis.time())
        now = seconds * 1000
        start = 0
        queue = keys.queue(stage)
        while page := await answered(self._redis.zrangebyscore(queue, "-inf", now, start=start, num=_PAGE)):
            leases = await answered(self._redis.mget([keys.LEASE_PREFIX + job_id.decode() for job_id in page]))
            for job_id, lease in zip(page, leases, strict=True):
                due = None if lease else await answered(self._redis.zscore(queue, job_id))
                if due is not None:  # one without a lease may just have left
                    return (now - due) / 1000
            start += len(page)
        return 0.0


def _forget() -> None:
    for gauge in _GAUGES:
        for stage in StageName:
            gauge.labels(stage).set(math.nan)
