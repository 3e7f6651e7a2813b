"""The stage protocol seen from outside: a simulated worker of one task, and what Redis holds of that task."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from redis import Redis as BlockingRedis

from shared import codec, events, keys
from shared.commit import Commit, NextJob, PublishedEvent
from shared.messages import Document, Record, Segment, StageName, State, Step
from shared.scripts import Claim, Limits

SPOKEN = 4
"""Segments of the recording."""
ROUTE = (StageName.ASR, StageName.NLP)
LIMITS = Limits(ttl_ms=600_000, wait_ms=600_000)
STEPS = {
    StageName.ASR: (Step.TRANSCRIPTION_COMPLETE,),
    StageName.NLP: (Step.NER_COMPLETE, Step.COMPLETED),
}


class Worker(msgspec.Struct, kw_only=True):
    """A simulated attempt: what it believes, which may have long been wrong."""

    task_id: str
    stage: StageName
    claimant: str
    claim: Claim
    written: int
    last: tuple[Commit, Sequence[bytes]] | None = None

    def write(self, until: int) -> tuple[Commit, Sequence[bytes]]:
        """The commit of the records up to number `until`."""
        numbers = range(self.written + 1, until + 1)
        return self._commit(numbers), [self._record(number) for number in numbers]

    def end(self) -> tuple[Commit, Sequence[bytes]]:
        """The commit of the end record."""
        numbers = range(self.written + 1, self.written + 1)
        return self._commit(numbers, ends=True), [codec.encode(Document(segments=SPOKEN))]

    def _commit(self, numbers: range, *, ends: bool = False) -> Commit:
        position = ROUTE.index(self.stage)
        behind = ROUTE[position + 1] if position + 1 < len(ROUTE) else None
        if self.stage is StageName.ASR:
            said = [_event(self.task_id, Step.TRANSCRIPTION, number) for number in range(1, numbers.stop)]
        else:
            said = [_event(self.task_id, Step.NER)]  # too early while the stage before still works
        steps = [_event(self.task_id, step) for step in STEPS[self.stage]]
        return Commit(
            task_id=self.task_id,
            stage=self.stage,
            job_id=keys.job_id(self.task_id, self.stage),
            before=ROUTE[position - 1] if position else keys.SOURCE,
            position=position,
            token=self.claim.token,
            channel=keys.channel(self.task_id),
            ttl_ms=LIMITS.ttl_ms,
            wait_ms=LIMITS.wait_ms,
            first=numbers.start,
            events=[*said, *(steps if ends else [])],
            ends=ends,
            segments=SPOKEN,
            result="{}" if ends and behind is None else None,
            next=_next(self.task_id, behind) if behind else None,
        )

    def _record(self, number: int) -> bytes:
        return codec.encode(Segment(index=number, start=0, end=1, text=f"{self.stage} says {number}"))


class TaskSeen:
    """What Redis holds of a task."""

    def __init__(self, task_id: str, *, port: int) -> None:
        self.redis = cast("Any", BlockingRedis(port=port))
        self._task_id = task_id

    def records(self, stage: StageName) -> Sequence[Record]:
        return [codec.decode_record(fields[b"record"]) for _, fields in self._stream(keys.out(self._task_id, stage))]

    def segments(self, stage: StageName) -> Sequence[Segment]:
        return [record for record in self.records(stage) if isinstance(record, Segment)]

    def ended(self, stage: StageName) -> bool:
        return any(isinstance(record, Document) for record in self.records(stage))

    def events(self) -> Sequence[tuple[bytes, bytes]]:
        """Ids and JSON."""
        return [(entry_id, fields[b"event"]) for entry_id, fields in self._stream(keys.events(self._task_id))]

    def state(self) -> State:
        return State(self.redis.hget(keys.task(self._task_id), "state").decode())

    def queued(self, stage: StageName) -> bool:
        return self.redis.zscore(keys.queue(stage), keys.job_id(self._task_id, stage)) is not None

    def picture(self) -> object:
        """All of it, but for the times at which it expires."""
        task = self.redis.hgetall(keys.task(self._task_id))
        streams = [self._stream(keys.out(self._task_id, stage)) for stage in ROUTE]
        queues = [self.redis.zrange(keys.queue(stage), 0, -1) for stage in ROUTE]
        leases = [self.redis.get(keys.lease(self._task_id, stage)) for stage in ROUTE]
        return task, streams, queues, leases, self.events()

    def _stream(self, name: str) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
        return self.redis.xrange(name)


def _event(task_id: str, step: Step, record: int = 0) -> PublishedEvent:
    made = events.make(task_id, step, done=1 - record / SPOKEN)  # an estimate that falls: what is told must not
    return PublishedEvent(data=codec.encode_text(made), step=step, progress=made.progress, record=record)


def _next(task_id: str, stage: StageName) -> NextJob:
    return NextJob(stage=stage, job_id=keys.job_id(task_id, stage), wake=keys.wake(stage))
