"""The janitor: ends tasks that nobody works on any more, and removes recordings that nobody needs.

Every gateway runs one; a lock in Redis lets one at a time do its round. It is what keeps the promise of a terminal
event when a worker never comes back.
"""

import asyncio

import structlog

from shared import codec, events, keys, metrics, tasks
from shared.blobs import BlobStore
from shared.errors import Retryable
from shared.messages import Failure, State
from shared.pauses import Pauses
from shared.redis import AWAY, Redis
from shared.scripts import Scripts

log = structlog.get_logger(__name__)

ROUND_SECONDS = 5.0
_AT_ONCE = 500
_BLOB_GRACE_SECONDS = 600.0
"""A recording without a task is younger than this while its upload is being turned into one."""

LOST = Failure(
    code="no_worker",
    message="No worker took up this task in time. Check that a worker of each stage is running, then submit it again.",
    retryable=True,
)


class Janitor:
    """Rounds every `ROUND_SECONDS`."""

    def __init__(self, redis: Redis, scripts: Scripts, blobs: BlobStore) -> None:
        self._redis = redis
        self._scripts = scripts
        self._blobs = blobs

    async def work(self) -> None:
        """Runs until cancelled, through any loss of Redis."""
        pauses = Pauses()
        while True:
            try:
                if await self._redis.set(keys.JANITOR, b"1", nx=True, px=int(ROUND_SECONDS * 900)):
                    await self.end_lost_tasks()
                    await self.remove_blobs()
                pauses = Pauses()
                await asyncio.sleep(ROUND_SECONDS)
            except (*AWAY, Retryable) as error:
                log.warning("round_interrupted", error=str(error))
                await pauses.wait()

    async def end_lost_tasks(self) -> None:
        """Ends the tasks that have shown no sign of life for longer than they may."""
        seconds, microseconds = await self._redis.time()  # theirs who wrote the times that are compared with it
        now = seconds * 1000 + microseconds // 1000
        overdue = await self._redis.zrangebyscore(keys.WATCH, "-inf", now, start=0, num=_AT_ONCE)
        for name in overdue:
            task_id = name.decode()
            status = await self._scripts.close(
                task_id,
                State.EXPIRED,
                event=events.make_end(task_id, State.EXPIRED, LOST),
                error=codec.encode_text(LOST),
                overdue=True,
            )
            if status == "OK":
                metrics.TASKS_ENDED.labels(State.EXPIRED).inc()
                log.warning("task_lost", task_id=task_id)

    async def remove_blobs(self) -> None:
        """Removes recordings whose task has ended, and those past their grace that have none. A blob is named after its
        task."""
        async for batch in self._blobs.batches():
            states = await tasks.states(self._redis, [blob.name for blob in batch])
            for blob, state in zip(batch, states, strict=True):
                if state.terminal if state else blob.age_seconds > _BLOB_GRACE_SECONDS:
                    await self._blobs.delete(blob.name)
                    log.info("blob_removed", blob=blob.name)
