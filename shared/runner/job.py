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
from typing import TypedDict, Unpack

import msgspec
import structlog

from shared import codec, events, metrics, tracing
from shared.errors import Closed, MeshError, Permanent, RolledBack, Superseded
from shared.messages import Document, Failure, StageJob, StageName, State
from shared.redis import AWAY, persist
from shared.runner.attempt import Attempt, Surroundings
from shared.runner.pace import OutOfTime, Pace
from shared.scripts import AlreadyDone, Claim, Exhausted, Lost
from shared.settings import StageSettings
from shared.stage import Engine, Stage
from shared.wake import Wakeups

log = structlog.get_logger(__name__)

_LEASE_RENEWALS = 4
_HAND_BACK_SECONDS = 2.0
"""A worker that stops waits this long for Redis to hear what it hands back. Otherwise the lease lapses."""


class Release(TypedDict, total=False):
    """How an attempt hands its stage back; as `Scripts.release` has it."""

    why: str
    code: str
    after_seconds: float
    forgiven: bool


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one stage in one worker process."""

    stage: Stage
    engine: Engine
    settings: StageSettings
    surroundings: Surroundings
    wakeups: Wakeups
    worker_id: str

    async def run(self, job: StageJob) -> None:
        """One attempt, and what becomes of the job after it. Raises CancelledError on shutdown."""
        scripts, stage, task_id = self.surroundings.scripts, self.stage.name, job.task_id
        structlog.contextvars.bind_contextvars(stage=stage, task_id=task_id, worker=self.worker_id)
        _bind_trace(job.traceparent)
        claimant = f"{self.worker_id}/{secrets.token_hex(4)}"
        try:
            claim = await persist(
                lambda: scripts.claim(task_id, stage, claimant=claimant, max_attempts=self.settings.max_attempts)
            )
        except AlreadyDone as done:
            log.info("stage_needless", reason=str(done))
        except Exhausted as exhausted:
            self._tell_lost(job, exhausted.lost, attempt=exhausted.attempt)
            log.error("attempts_exhausted", attempts=self.settings.max_attempts)
            await self._fail(task_id, exhausted.token, _worn_out(stage))
        else:
            structlog.contextvars.bind_contextvars(attempt=claim.attempt)
            self._tell_lost(job, claim.lost, attempt=claim.attempt - 1)
            if await self._attempt(job, claim) == "completed":
                return  # the job has left its queue with the end of the stage
        await persist(lambda: scripts.finish(task_id, stage))

    async def _attempt(self, job: StageJob, claim: Claim) -> str:
        started, stage, task_id = time.monotonic(), self.stage.name, job.task_id
        outcome = "failed"
        metrics.QUEUE_SECONDS.labels(stage).observe(claim.queued_seconds)
        with tracing.processing(
            self.surroundings.tracing, task_id, stage, traceparent=job.traceparent, token=claim.token
        ) as span:
            _bind_trace(span.traceparent)
            span.tell(_begin(claim.attempt, self.worker_id) | {"voxmesh.queue_seconds": claim.queued_seconds})
            log.info("stage_started", behind_record=claim.tail, queue_s=round(claim.queued_seconds, 3))
            try:
                with metrics.ATTEMPTS_RUNNING.labels(stage).track_inprogress():
                    outcome = await self._work(task_id, claim)
            except asyncio.CancelledError:
                outcome = "handed_back"
                await self._hand_back(task_id, claim)
                raise
            finally:
                duration = time.monotonic() - started
                span.tell({"voxmesh.outcome": outcome})
                metrics.ATTEMPTS.labels(stage, outcome).inc()
                metrics.ATTEMPT_SECONDS.labels(stage).observe(duration)
                log.info("stage_finished", outcome=outcome, duration_s=round(duration, 3))
        return outcome

    def _tell_lost(self, job: StageJob, lost: Lost | None, *, attempt: int) -> None:
        """Count and trace an attempt that cannot tell of itself any more."""
        if lost is None:
            return
        metrics.LEASES_LOST.labels(self.stage.name).inc()
        facts = _begin(attempt, lost.worker) | {"voxmesh.outcome": "lost"}
        tracing.lost(
            self.surroundings.tracing,
            job.task_id,
            self.stage.name,
            traceparent=job.traceparent,
            token=lost.token,
            began=lost.token / 1000,
            facts=facts,
        )

    async def _work(self, task_id: str, claim: Claim) -> str:
        """The attempt's outcome, once it has ended in any way but a shutdown."""
        try:
            async with self._leased(task_id, claim), Pace(self._limit_seconds(claim)) as pace:
                try:
                    await self._run_stage(task_id, claim, pace)
                finally:
                    work, rest = round(pace.worked_seconds, 3), round(pace.rested_seconds, 3)
                    tracing.current().tell({"voxmesh.work_seconds": work, "voxmesh.rest_seconds": rest})
        except (Superseded, Closed) as end:
            if isinstance(end, Superseded):
                metrics.SUPERSEDED.labels(self.stage.name).inc()
                tracing.current().forget()  # its successor has told of it
            log.info("attempt_stopped", reason=type(end).__name__.lower())
            return "stopped"
        except RolledBack:
            log.warning("redis_rolled_back")
            await self._release(task_id, claim, why="rolled_back", forgiven=True)
            return "rolled_back"
        except OutOfTime:
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

    async def _run_stage(self, task_id: str, claim: Claim, pace: Pace) -> None:
        with self.wakeups.of_task(task_id) as woken:
            attempt = Attempt(self.stage, self.surroundings, task_id=task_id, claim=claim, woken=woken, pace=pace)
            async with attempt:
                document = await self.stage.run(attempt, self.engine, attempt)
                await attempt.finish(document)
        self._measure(document, pace, whole=claim.tail == 0)

    def _measure(self, document: Document, pace: Pace, *, whole: bool) -> None:
        """What a stage that has ended says of its speed; only an attempt that did the `whole` of it can say."""
        tracing.current().tell({"voxmesh.audio_seconds": document.duration, "voxmesh.segments": document.segments})
        if whole and document.duration:
            metrics.REAL_TIME_FACTOR.labels(self.stage.name).observe(pace.worked_seconds / document.duration)

    async def _hand_back(self, task_id: str, claim: Claim) -> None:
        try:
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                await self.surroundings.scripts.release(task_id, self.stage.name, token=claim.token, forgiven=True)
        except AWAY:  # a timeout is one of them
            log.warning("not_handed_back")

    async def _after_error(self, task_id: str, claim: Claim, error: Exception) -> str:
        log.error("stage_failed", error=str(error), exc_info=error)
        code = error.code if isinstance(error, MeshError) else "internal_error"
        if claim.attempt < self.settings.max_attempts:
            tracing.current().fail(code)
            await self._release(task_id, claim, why="retried", code=code, after_seconds=float(2**claim.attempt))
            return "retried"
        message = error.message if isinstance(error, MeshError) else "The stage failed; see its worker's log."
        failure = Failure(code=code, message=message, stage=self.stage.name, retryable=True)
        await self._fail(task_id, claim.token, failure)
        return "failed"

    async def _release(self, task_id: str, claim: Claim, **how: Unpack[Release]) -> None:
        release = self.surroundings.scripts.release
        await persist(lambda: release(task_id, self.stage.name, token=claim.token, **how))

    async def _fail(self, task_id: str, token: int, failure: Failure) -> None:
        tracing.current().fail(failure.code)
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


def _bind_trace(traceparent: str | None) -> None:
    trace_id = tracing.trace_id_of(traceparent)
    if trace_id is not None:
        structlog.contextvars.bind_contextvars(trace_id=trace_id)


def _begin(attempt: int, worker: str) -> dict[str, str | int | float]:
    """What is known of an attempt from its begin."""
    return {"voxmesh.attempt": attempt, "voxmesh.worker": worker}


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
