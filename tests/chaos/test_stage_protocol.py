"""A model check of the stage protocol: whatever order takes, claims, writes, stalls, wakes, crashes, lost replies and
redeliveries come in, the scripts in a real Redis keep their promises. Workers are simulated, the scripts are not."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared import codec, events, keys, queue
from shared.commit import Commit
from shared.errors import Closed, Superseded
from shared.messages import Failure, Options, Segment, StageName, State, Step
from shared.redis import client, open_pool
from shared.scripts import AlreadyDone, Claim, Scripts
from shared.settings import BaseSettings
from shared.submission import Submission
from tests.conftest import RedisServer
from tests.fakes.protocol import LIMITS, ROUTE, SPOKEN, TaskSeen, Worker

T = TypeVar("T")

ATTEMPTS = 1_000
SERIAL = itertools.count()
EXAMPLES = int(os.environ.get("PROTOCOL_EXAMPLES", "80"))


class Protocol(RuleBasedStateMachine):
    """One task with two stages, and any number of workers that fight over it."""

    server: RedisServer
    loop: asyncio.AbstractEventLoop
    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.task_id = f"t{next(SERIAL)}"
        self.pool = open_pool(BaseSettings(redis_url=self.server.url), name="model")
        self.scripts = Scripts(client(self.pool), LIMITS)
        self.seen = TaskSeen(self.task_id, port=self.server.port)
        self.newest: dict[StageName, str] = {}

    def teardown(self) -> None:
        self._drive_to_the_end()
        self.seen.redis.close()
        self._do(self.pool.aclose())

    @initialize()
    def submit(self) -> None:
        self.seen.redis.flushall()
        job = queue.stage_job(self.task_id)
        submission = Submission(task_id=self.task_id, route=ROUTE, options=Options(), job=job, blob="b")
        self._do(self.scripts.submit(submission))

    @rule(target=workers, stage=st.sampled_from(ROUTE))
    def take_and_claim(self, stage: StageName) -> Worker | None:
        """A worker looks for a job; when it gets one, nobody else holds its lease."""
        held = self.seen.redis.exists(keys.lease(self.task_id, stage))
        taken = self._do(self.scripts.take(stage, count=1, lease_ms=600_000))
        assert not (held and taken)
        return self._claim(stage) if taken else None

    @rule(target=workers, stage=st.sampled_from(ROUTE))
    def claim_at_once(self, stage: StageName) -> Worker | None:
        """A job that is delivered twice: a second worker claims what the first has just claimed."""
        return self._claim(stage) if self.seen.queued(stage) else None

    @rule(worker=workers)
    def repeat_claim(self, worker: Worker | None) -> None:
        """A claim whose reply was lost is repeated: while nobody else has claimed, it is the same attempt."""
        if worker is None or self.newest[worker.stage] != worker.claimant:
            return
        try:
            claim = self._do(self._claimed(worker.stage, worker.claimant))
        except AlreadyDone:
            return
        assert (claim.token, claim.attempt) == (worker.claim.token, worker.claim.attempt)

    @rule(worker=workers, count=st.integers(1, 3))
    def write(self, worker: Worker | None, count: int) -> None:
        """The next records, as far as there is something to make them from."""
        if worker is None:
            return
        there = SPOKEN if worker.stage is ROUTE[0] else len(self.seen.segments(ROUTE[0]))
        until = min(worker.written + count, there)
        if until > worker.written and self._commit(worker, worker.write(until)):
            worker.written = until

    @rule(worker=workers)
    def end(self, worker: Worker | None) -> None:
        """The end record, when the stage before has ended and all of it is done."""
        if worker is None or worker.written < SPOKEN:
            return
        if worker.stage is ROUTE[0] or self.seen.ended(ROUTE[0]):
            self._commit(worker, worker.end())

    @rule(worker=workers)
    def repeat_commit(self, worker: Worker | None) -> None:
        """The reply to a commit was lost: it is sent again, any time later, and changes nothing."""
        if worker is None or worker.last is None:
            return
        before = self.seen.picture()
        commit, records = worker.last
        with suppress(Superseded, Closed):
            self._do(self.scripts.commit(commit, records, job=queue.stage_job(self.task_id)))
        assert self.seen.picture() == before

    @rule(worker=workers)
    def renew(self, worker: Worker | None) -> None:
        """A sign of life; only whoever holds the claim may give one."""
        if worker is None:
            return
        try:
            self._do(self.scripts.renew(self.task_id, worker.stage, token=worker.claim.token, lease_ms=600_000))
        except (Superseded, Closed):
            return
        assert self.newest[worker.stage] == worker.claimant

    @rule(stage=st.sampled_from(ROUTE))
    def lapse(self, stage: StageName) -> None:
        """Whoever held the lease is dead, asleep or cut off for too long."""
        self.seen.redis.delete(keys.lease(self.task_id, stage))

    @rule(worker=consumes(workers), forgiven=st.booleans())
    def hand_back(self, worker: Worker | None, forgiven: bool) -> None:
        """A worker that stops gives its job back; one that has been superseded takes nothing from its successor."""
        if worker is None:
            return
        before = self.seen.picture()
        self._do(self.scripts.release(self.task_id, worker.stage, token=worker.claim.token, forgiven=forgiven))
        if self.newest[worker.stage] == worker.claimant:
            self.newest[worker.stage] = ""
        else:
            assert self.seen.picture() == before

    @rule(worker=workers)
    def finish(self, worker: Worker | None) -> None:
        """Anybody may ask for the job to be taken off: it goes when nothing is left to do."""
        if worker is not None:
            self._do(self.scripts.finish(self.task_id, worker.stage))

    @precondition(lambda self: bool(cast("Protocol", self).newest))
    @rule(really=st.integers(0, 9))
    def cancel(self, really: int) -> None:
        """Somebody cancels, now and then."""
        if really == 0:
            failure = Failure(code="cancelled", message="Cancelled.")
            ending = events.make_end(self.task_id, State.CANCELLED, failure)
            self._do(self.scripts.close(self.task_id, State.CANCELLED, event=ending, error=""))

    @invariant()
    def records_are_whole(self) -> None:
        """Numbers without a gap, the end once and last."""
        for stage in ROUTE:
            records = self.seen.records(stage)
            segments = self.seen.segments(stage)
            assert [segment.index for segment in segments] == list(range(1, len(segments) + 1))
            assert all(isinstance(record, Segment) for record in records[:-1])
            assert len(segments) in (len(records), SPOKEN)

    @invariant()
    def events_are_whole(self) -> None:
        """Numbers without a gap, each step once, in the order of the route, progress never falls, one end."""
        ids = [entry_id for entry_id, _ in self.seen.events()]
        log = [codec.decode_event(event) for _, event in self.seen.events()]
        assert ids == [b"%d-0" % number for number in range(1, len(ids) + 1)]
        assert [event.progress for event in log] == sorted(event.progress for event in log)
        steps = [event.step for event in log]
        once = [step for step in steps if step is not Step.TRANSCRIPTION]
        assert len(once) == len(set(once))
        assert steps.count(Step.TRANSCRIPTION) <= SPOKEN
        assert not any(step.terminal for step in steps[:-1])
        if Step.NER in steps:
            assert steps.index(Step.TRANSCRIPTION_COMPLETE) < steps.index(Step.NER)

    @invariant()
    def work_that_is_left_has_a_job(self) -> None:
        """A stage with work has its job in the queue, whoever died; one without has neither job nor lease."""
        running = not self.seen.state().terminal
        for stage in ROUTE:
            started = stage is ROUTE[0] or bool(self.seen.records(ROUTE[0]))
            left = running and not self.seen.ended(stage)
            assert self.seen.queued(stage) == (started and left)
            if not left:
                assert not self.seen.redis.exists(keys.lease(self.task_id, stage), keys.job(self.task_id, stage))

    @invariant()
    def everything_expires(self) -> None:
        """No key without a TTL but the permanent ones."""
        for key in self.seen.redis.scan_iter():
            assert self.seen.redis.ttl(key) > 0 or key.decode().startswith(keys.PERMANENT)

    def _claim(self, stage: StageName) -> Worker | None:
        claimant = f"w{next(SERIAL)}"
        try:
            claim = self._do(self._claimed(stage, claimant))
        except AlreadyDone:
            return None
        assert claim.tail == len(self.seen.records(stage))
        self.newest[stage] = claimant
        return Worker(task_id=self.task_id, stage=stage, claimant=claimant, claim=claim, written=claim.tail)

    def _claimed(self, stage: StageName, claimant: str) -> Awaitable[Claim]:
        return self.scripts.claim(self.task_id, stage, claimant=claimant, max_attempts=ATTEMPTS)

    def _commit(self, worker: Worker, change: tuple[Commit, Sequence[bytes]]) -> bool:
        """Whether the worker may go on. Whoever is shut out has changed nothing."""
        before = self.seen.picture()
        try:
            self._do(self.scripts.commit(change[0], change[1], job=queue.stage_job(self.task_id)))
        except Closed:
            assert self.seen.picture() == before
            return False
        except Superseded:
            assert self.seen.picture() == before
            assert self.newest[worker.stage] != worker.claimant
            return False
        assert self.newest[worker.stage] == worker.claimant
        worker.last = change
        return True

    def _drive_to_the_end(self) -> None:
        """Once the fight is over, one worker of each stage brings the task to its end."""
        for stage in ROUTE:
            self.lapse(stage)
            worker = cast("Worker | None", self.take_and_claim(stage))
            while worker is not None and worker.written < SPOKEN:
                self.write(worker, 3)
            self.end(worker)
        self.records_are_whole()
        self.events_are_whole()
        self.work_that_is_left_has_a_job()
        if self.seen.state() is not State.CANCELLED:
            assert self.seen.state() is State.COMPLETED
            assert [len(self.seen.records(stage)) for stage in ROUTE] == [SPOKEN + 1] * 2

    def _do(self, call: Awaitable[T]) -> T:
        return self.loop.run_until_complete(call)


@pytest.fixture
def model(redis_server: RedisServer) -> Iterator[type[Protocol]]:
    """The machine on an event loop of its own."""
    Protocol.server = redis_server
    Protocol.loop = asyncio.new_event_loop()
    yield Protocol
    Protocol.loop.close()


@pytest.mark.timeout(300)
def test_the_promises_hold_in_any_order_of_events(model: type[Protocol]) -> None:
    """PROTOCOL_EXAMPLES (80) lives of a task, each of up to 60 moves."""
    unhurried = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
    checks = settings(max_examples=EXAMPLES, stateful_step_count=60, deadline=None, suppress_health_check=unhurried)
    run_state_machine_as_test(model, settings=checks)
