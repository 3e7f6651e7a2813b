"""Runs a stage's job: claims the task, keeps the lease while the stage works, and brings the attempt to its end.

Whatever happens in the stage, the task goes on or ends: an error that is the input's fault fails it at once, any other
is tried again up to the limit of attempts, a worker that stops hands the job back, and an attempt that has been
superseded or whose task has ended stops without a word. The job stays in its queue for as long as there is anything to
do: whatever kills an attempt, its lease lapses and another follows.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import structlog

from shared import codec, events, metrics
from shared.attempt import Attempt, Surroundings
from shared.errors import Closed, MeshError, Permanent, RolledBack, Superseded
from shared.messages import Failure, StageName, State
from shared.redis import AWAY, persist
from shared.scripts import AlreadyDone, Claim, Exhausted
from shared.settings import StageSettings
from shared.stage import Engine, Stage
from shared.wake import Wakeups

log = structlog.get_logger(__name__)

_LEASE_RENEWALS = 4
_HAND_BACK_SECONDS = 2.0
"""A worker that stops waits this long for Redis to hear what it hands back. Otherwise the lease lapses."""


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one stage in one worker process."""

    stage: Stage
    engine: Engine
    settings: StageSettings
    surroundings: Surroundings
    wakeups: Wakeups
    worker_id: str

    async def run(self, task_id: str) -> None:
        """One attempt, and what becomes of the job after it. Raises CancelledError on shutdown."""
        structlog.contextvars.bind_contextvars(stage=self.stage.name, task_id=task_id, worker=self.worker_id)
        scripts, stage = self.surroundings.scripts, self.stage.name
        claimant = f"{self.worker_id}/{secrets.token_hex(4)}"
        try:
            claim = await persist(
                lambda: scripts.claim(task_id, stage, claimant=claimant, max_attempts=self.settings.max_attempts)
            )
        except AlreadyDone as done:
            log.info("stage_needless", reason=str(done))
        except Exhausted as exhausted:
            metrics.LEASES_LOST.labels(stage).inc()
            log.error("attempts_exhausted", attempts=self.settings.max_attempts)
            await self._fail(task_id, exhausted.token, _worn_out(stage))
        else:
            structlog.contextvars.bind_contextvars(attempt=claim.attempt)
            if await self._attempt(task_id, claim) == "completed":
                return  # the job has left its queue with the end of the stage
        await persist(lambda: scripts.finish(task_id, stage))

    async def _attempt(self, task_id: str, claim: Claim) -> str:
        started = time.monotonic()
        outcome = "failed"
        metrics.QUEUE_SECONDS.labels(self.stage.name).observe(claim.queued_seconds)
        metrics.LEASES_LOST.labels(self.stage.name).inc(claim.lost)
        log.info("stage_started", behind_record=claim.tail, queue_s=round(claim.queued_seconds, 3))
        try:
            with metrics.ATTEMPTS_RUNNING.labels(self.stage.name).track_inprogress():
                outcome = await self._work(task_id, claim)
        except asyncio.CancelledError:
            outcome = "handed_back"
            await self._hand_back(task_id, claim)
            raise
        finally:
            duration = time.monotonic() - started
            metrics.ATTEMPTS.labels(self.stage.name, outcome).inc()
            metrics.ATTEMPT_SECONDS.labels(self.stage.name).observe(duration)
            log.info("stage_finished", outcome=outcome, duration_s=round(duration, 3))
        return outcome

    async def _work(self, task_id: str, claim: Claim) -> str:
        """The attempt's outcome, once it has ended in any way but a shutdown."""
        try:
            async with self._leased(task_id, claim), asyncio.timeout(self._limit_seconds(claim)) as clock:
                await self._run_stage(task_id, claim, clock)
        except (Superseded, Closed) as end:
            if isinstance(end, Superseded):
                metrics.SUPERSEDED.labels(self.stage.name).inc()
            log.info("attempt_stopped", reason=type(end).__name__.lower())
            return "stopped"
        except RolledBack:
            log.warning("redis_rolled_back")
            await self._release(task_id, claim, forgiven=True)
            return "rolled_back"
        except TimeoutError:
            await self._fail(task_id, claim.token, _too_long(self.stage.name))
        except Permanent as error:
            log.warning("stage_refused", code=error.code, error=error.message)
            failure = Failure(code=error.code, message=error.message, stage=self.stage.name)
            await self._fail(task_id, claim.token, failure)
        except Exception as error:  # noqa: BLE001 - the outer edge of an attempt; it is logged with its traceback
            return await self._after_error(task_id, claim, error)
        else:
            return "completed"
        return "failed"

    async def _run_stage(self, task_id: str, claim: Claim, clock: asyncio.Timeout) -> None:
        with self.wakeups.of_task(task_id) as woken:
            attempt = Attempt(self.stage, self.surroundings, task_id=task_id, claim=claim, woken=woken, clock=clock)
            async with attempt:
                document = await self.stage.run(attempt, self.engine, attempt)
                await attempt.finish(document)

    async def _hand_back(self, task_id: str, claim: Claim) -> None:
        try:
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                await self.surroundings.scripts.release(task_id, self.stage.name, token=claim.token, forgiven=True)
        except AWAY:  # a timeout is one of them
            log.warning("not_handed_back")

    async def _after_error(self, task_id: str, claim: Claim, error: Exception) -> str:
        log.error("stage_failed", error=str(error), exc_info=error)
        if claim.attempt < self.settings.max_attempts:
            pause = float(2**claim.attempt)
            await self._release(task_id, claim, after_seconds=pause)
            return "retried"
        code = error.code if isinstance(error, MeshError) else "internal_error"
        message = error.message if isinstance(error, MeshError) else "The stage failed; see its worker's log."
        failure = Failure(code=code, message=message, stage=self.stage.name, retryable=True)
        await self._fail(task_id, claim.token, failure)
        return "failed"

    async def _release(self, task_id: str, claim: Claim, *, after_seconds: float = 0.0, forgiven: bool = False) -> None:
        release = self.surroundings.scripts.release
        stage, token = self.stage.name, claim.token
        await persist(lambda: release(task_id, stage, token=token, after_seconds=after_seconds, forgiven=forgiven))

    async def _fail(self, task_id: str, token: int, failure: Failure) -> None:
        status = await persist(
            lambda: self.surroundings.scripts.close(
                task_id,
                State.FAILED,
                event=events.make_end(task_id, State.FAILED, failure),
                error=codec.encode_text(failure),
                stage=self.stage.name,
                token=token,
            )
        )
        if status == "OK":
            metrics.TASKS_ENDED.labels(State.FAILED).inc()

    @asynccontextmanager
    async def _leased(self, task_id: str, claim: Claim) -> AsyncGenerator[None]:
        """Keeps the lease while the block runs. When it is lost, the block is cancelled and the reason raised."""
        body = asyncio.current_task()
        assert body is not None
        lost: list[Exception] = []

        async def keep() -> None:
            lease_ms = int(self.settings.lease_seconds * 1000)
            try:
                while True:
                    await asyncio.sleep(self.settings.lease_seconds / _LEASE_RENEWALS)
                    await persist(
                        lambda: self.surroundings.scripts.renew(
                            task_id, self.stage.name, token=claim.token, lease_ms=lease_ms
                        )
                    )
            except Exception as end:  # noqa: BLE001 - whatever it is, an attempt without a lease must not go on
                lost.append(end)
                body.cancel()

        keeper = asyncio.create_task(keep(), name=f"lease of {task_id}")
        try:
            yield
        except asyncio.CancelledError:
            if lost and body.uncancel() == 0:
                raise lost[0] from None
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    def _limit_seconds(self, claim: Claim) -> float:
        return max(self.settings.run_limit_seconds, self.settings.run_limit_factor * claim.duration)


def _worn_out(stage: StageName) -> Failure:
    return Failure(
        code="attempts_exhausted",
        message="Each worker that took this task died over it. The input may be damaged; "
        "convert it to another format and try again.",
        stage=stage,
    )


def _too_long(stage: StageName) -> Failure:
    return Failure(
        code="run_timeout",
        message="The stage took longer than a task of this length may take. Try a shorter recording.",
        stage=stage,
        retryable=True,
    )
