"""The stage worker process: arq's worker with a lease, a wake-up and a memory of how to live through a lost Redis.

The only file that imports arq's Worker. What differs from arq's own (see its `worker.py`, 0.28):

- its in-progress mark is our lease: as short as `lease_seconds`, renewed by the attempt, so that a killed worker's job
  is picked up when the lease lapses rather than after the longest job limit;
- its poll waits for a wake-up, not for half a second, and takes all it can in one script;
- a lost connection interrupts its main loop instead of ending the process;
- an attempt is counted, timed and ended by our own fenced scripts. arq's `run_job` would count tries (5) and time
  (300 s) by itself, let an attempt that was superseded take away the job of its successor, and leave a task behind
  whose job ended with an error that it does not know.
"""

import asyncio
import gc
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar, cast

import structlog
import uvloop
from arq.connections import ArqRedis
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func

from shared import codec, keys, logs, metrics, presence, queue
from shared.blobs import BlobStore
from shared.errors import MeshError, ModelMissing
from shared.fitness import Fitness, refuse_cluster
from shared.inference import processors
from shared.inference.batches import Batches
from shared.inference.device import Device
from shared.pauses import LONGEST_PAUSE_SECONDS, Pauses
from shared.redis import AWAY, Redis, client, open_pool
from shared.runner.attempt import Surroundings
from shared.runner.health import serve_health
from shared.runner.job import Runner
from shared.scripts import Limits, Scripts
from shared.settings import StageSettings, load
from shared.stage import Engine, Stage
from shared.tracing import OFF, Tracing, tracing_of
from shared.wake import Wakeups, until_set

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=StageSettings)

_POLL_SECONDS = 0.5
_FAREWELL_SECONDS = 1.0


class EngineStuck(Exception):
    """The engine's thread does not come back from a computation that nobody waits for any more."""


class StageWorker(Worker):
    """arq's worker for one stage."""

    def __init__(self, redis: Redis, runner: Runner, settings: StageSettings) -> None:
        stage = runner.stage.name
        super().__init__(
            [func(cast("WorkerCoroutine", self.run_stage), name=queue.FUNCTION)],  # we call it, with what we took
            queue_name=keys.queue(stage),
            redis_pool=cast("ArqRedis", redis),
            handle_signals=False,
            max_jobs=settings.worker_concurrency,
            keep_result=0,
            poll_delay=_POLL_SECONDS,
            health_check_interval=10,
            health_check_key=keys.worker_health(stage, runner.worker_id),
            job_serializer=codec.pack,
            job_deserializer=codec.unpack,
            log_results=False,
        )
        self.in_progress_timeout_s = settings.lease_seconds
        self.runner = runner
        self.worn = asyncio.Event()
        """Set when it has done as many jobs as one worker is to do."""
        self._drain_seconds = settings.drain_seconds
        self.last_job = settings.recycle_after_jobs + secrets.randbelow(settings.recycle_after_jobs // 4 + 1)
        """The number of the job with which it is; 0 for never."""

    async def main(self) -> None:
        """Takes jobs until cancelled. When Redis was away for so long that leases have lapsed, those who hold them may
        renew them first."""
        pauses, served = Pauses(), time.monotonic()
        while True:
            try:
                if time.monotonic() - served > self.in_progress_timeout_s / 2 + 2 * _POLL_SECONDS:
                    await self.runner.surroundings.redis.ping()
                    await asyncio.sleep(LONGEST_PAUSE_SECONDS)
                await self._poll_iteration()
                pauses, served = Pauses(), time.monotonic()
                await until_set(self.runner.wakeups.jobs, at_most_seconds=self.poll_delay_s)
            except AWAY as error:
                metrics.REDIS_DISRUPTIONS.inc()
                log.warning("queue_unreachable", error=str(error))
                await pauses.wait()

    async def _poll_iteration(self) -> None:
        """As arq's, but one script finds and leases the jobs, where arq asks Redis four times for each."""
        free = self.max_jobs - self.job_counter
        if self.allow_pick_jobs and free > 0:
            scripts = self.runner.surroundings.scripts
            lease_ms = int(self.in_progress_timeout_s * 1000)
            held = [job_id for job_id, task in self.tasks.items() if not task.done()]
            for job_id, job in await scripts.take(self.runner.stage.name, count=free, lease_ms=lease_ms, held=held):
                self.job_counter += 1
                self.tasks[job_id] = task = self.loop.create_task(self.run_stage(job_id, job), name=f"job {job_id}")
                task.add_done_callback(self._ended)
        for job_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[job_id]
                task.result()
        await self.heart_beat()

    async def run_stage(self, job_id: str, job: bytes) -> None:
        """One attempt. It says itself what becomes of its job; should it not come to that, its lease lapses."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(service=self.runner.stage.name)
        try:
            work = queue.job_of(job)
        except ValueError:
            log.exception("job_unreadable", job_id=job_id)
            return
        await self.runner.run(work)
        self.jobs_complete += 1
        if self.jobs_complete == self.last_job:
            log.info("worker_worn", jobs=self.jobs_complete)
            self.allow_pick_jobs = False
            self.worn.set()

    def _ended(self, _: asyncio.Task[None]) -> None:
        self.job_counter -= 1
        self.runner.wakeups.jobs.set()

    async def drain(self) -> None:
        """Take no more jobs, finish what is in hand within the drain time, hand back the rest."""
        self.allow_pick_jobs = False
        running = [task for task in self.tasks.values() if not task.done()]
        if running:
            log.info("draining", jobs=len(running))
            stuck = self.runner.surroundings.device.stuck.is_set()
            _, late = await asyncio.wait(running, timeout=0 if stuck else self._drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def serve(stage: Stage, make_engine: Callable[[S], Engine], settings_type: type[S]) -> None:
    """The entry point of a stage service. Exits 0 after a drain, because it was told to or is worn, 2 on bad settings,
    3 when a model is missing, 4 when the engine is stuck, so that whoever keeps the process running starts a new one.
    """
    status = 0
    try:
        settings = load(settings_type, os.environ)
        logs.configure(settings, service=stage.name)
        uvloop.run(_serve(stage, make_engine(settings), settings, tracing_of(os.environ, service=stage.name)))
    except MeshError as error:
        sys.stderr.write(f"{stage.name} worker cannot start: {error}\n")
        sys.exit(3 if isinstance(error, ModelMissing) else 2)
    except EngineStuck:
        log.critical("engine_stuck", stage=stage.name)
        status = 4
    # Everything is handed back and closed. The interpreter's own end would wait for a computation that nobody wants any
    # more, and for ML libraries that take seconds to leave.
    sys.stderr.flush()
    os._exit(status)


async def _serve(stage: Stage, engine: Engine, settings: StageSettings, tracing: Tracing) -> None:
    stopping = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    await refuse_cluster(settings)
    metrics.show_stage(stage.name)
    device = Device(patience_seconds=settings.stuck_seconds)
    async with AsyncExitStack() as resources:
        resources.push_async_callback(tracing.aclose)
        resources.callback(device.close)
        pool = open_pool(settings, name=f"voxmesh-{stage.name}")
        resources.push_async_callback(pool.aclose)
        redis = client(pool)
        fitness = Fitness(redis)
        watching = asyncio.create_task(fitness.watch(), name="fitness")
        resources.callback(watching.cancel)
        health = await resources.enter_async_context(serve_health(settings.health_port, redis, fitness))
        if not await _unless(stopping, _prepare(engine, device, stage)):
            return
        worker = build(stage, engine, settings, redis=redis, device=device, tracing=tracing)
        health.ready = True
        await run_until(worker, stopping)


def build(
    stage: Stage, engine: Engine, settings: StageSettings, *, redis: Redis, device: Device, tracing: Tracing = OFF
) -> StageWorker:
    """A worker of `stage` whose engine is loaded; `run_until` sets it to work."""
    limits = Limits(ttl_ms=settings.task_ttl_seconds * 1000, wait_ms=settings.wait_limit_seconds * 1000)
    runner = Runner(
        stage=stage,
        engine=engine,
        settings=settings,
        surroundings=Surroundings(
            redis=redis,
            scripts=Scripts(redis, limits),
            blobs=BlobStore.of(settings),
            device=device,
            batches=Batches(device, observe=metrics.BATCH_SIZE.labels(stage.name).observe),
            tracing=tracing,
            ttl_ms=limits.ttl_ms,
            wait_ms=limits.wait_ms,
        ),
        wakeups=Wakeups(redis, keys.wake(stage.name)),
        worker_id=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}",
    )
    return StageWorker(redis, runner, settings)


async def run_until(worker: StageWorker, stopping: asyncio.Event) -> None:
    """Takes jobs until `stopping` is set, or it is worn, then drains. Raises `EngineStuck` when it had to stop for
    that."""
    runner = worker.runner
    device = runner.surroundings.device
    background = (
        asyncio.create_task(runner.wakeups.listen(), name="wakeups"),
        asyncio.create_task(worker.main(), name="queue"),
        asyncio.create_task(_announce(runner), name="presence"),
    )
    reasons = (
        asyncio.create_task(stopping.wait(), name="stop"),
        asyncio.create_task(device.stuck.wait(), name="stuck"),
        asyncio.create_task(worker.worn.wait(), name="worn"),
    )
    log.info("worker_ready", stage=runner.stage.name)
    await asyncio.wait([*reasons, *background], return_when=asyncio.FIRST_COMPLETED)
    await worker.drain()
    await _end([*reasons, *background])
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await presence.withdraw(runner.surroundings.redis, runner.stage.name, runner.worker_id)
    except AWAY:  # a timeout is one of them
        log.info("presence_not_withdrawn")
    if device.stuck.is_set():
        raise EngineStuck


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Ends the background tasks. One that had ended by itself did so by a bug, which is raised."""
    broken = [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in broken:
        task.result()


async def _announce(runner: Runner) -> None:
    info = await runner.surroundings.device.compute(runner.engine.describe)
    info |= {"concurrency": runner.settings.worker_concurrency}
    pauses = Pauses()
    while True:
        try:
            await presence.announce(runner.surroundings.redis, runner.stage.name, runner.worker_id, info)
            await asyncio.sleep(presence.HEARTBEAT_SECONDS)
        except AWAY:
            await pauses.wait()


async def _prepare(engine: Engine, device: Device, stage: Stage) -> None:
    await device.compute(engine.load)
    await device.compute(engine.warm_up)
    # The libraries and models stay for good. Left to the collector, each full round over them would stop the event loop
    # for a large part of a second.
    gc.collect()
    gc.freeze()
    about = await device.compute(engine.describe)
    facts = {name: fact for name, fact in about.items() if isinstance(fact, str | int)}
    log.info("engine_ready", stage=stage.name, processors=processors.available(), **facts)


async def _unless(stopping: asyncio.Event, work: Awaitable[None]) -> bool:
    """Runs `work`; False when the process was told to stop before it was done."""
    task = asyncio.ensure_future(work)
    stop = asyncio.create_task(stopping.wait(), name="stop")
    await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True
