"""One attempt of a stage at a task: what `run` sees as its work and its way to emit.

The attempt keeps two promises for the stage. What it emits becomes records exactly once, because every record has
its number as its id and every write carries the fence token. What it announces is published exactly once and in the
order of the route: while a stage before it still works, events wait here; when that stage has ended, the next commit
publishes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

import msgspec

from shared import announcement, codec, events, keys, metrics, queue, tracing
from shared.announcement import Announcement
from shared.blobs import BlobStore
from shared.commit import Commit, Committed, NextJob, PublishedEvent
from shared.inference.batches import Batches
from shared.inference.device import Device
from shared.messages import Document, Notice, Options, Partial, Segment, StageName, State, Step
from shared.redis import Redis, persist
from shared.result import assemble
from shared.runner.pace import Pace
from shared.scripts import Claim, Scripts
from shared.stage import Stage
from shared.wake import until_set

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741

_READ_AT_ONCE = 64
_PUBLISH_AT_ONCE = 64
_LOOK_EVERY_SECONDS = 1.0


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts of one worker share."""

    redis: Redis
    scripts: Scripts
    blobs: BlobStore
    device: Device
    batches: Batches
    tracing: tracing.Tracing
    ttl_ms: int
    wait_ms: int


class Attempt:
    """`Work` and `Emit` of `shared.stage`, over Redis. Text that nlp has yet to mask is shown to nobody."""

    def __init__(
        self,
        stage: Stage,
        surroundings: Surroundings,
        *,
        task_id: str,
        claim: Claim,
        woken: asyncio.Event,
        pace: Pace,
    ) -> None:
        self._stage = stage
        self._around = surroundings
        self._claim = claim
        self._woken = woken
        self._pace = pace
        self._position = claim.route.index(stage.name)
        self._before = claim.route[self._position - 1] if self._position else keys.SOURCE
        self._behind = claim.route[self._position + 1] if self._position + 1 < len(claim.route) else None
        self._written: list[Segment] = []
        self._texts: list[events.Piece] = []
        self._read = 0
        self._input_end: Document | None = None
        self._owed: list[Announcement] = []
        self._due = claim.turn == self._position
        self._withholds = bool(claim.options.redact) and StageName.NLP in claim.route[self._position + 1 :]
        self._total: int | None = None
        self._changes = 0
        self._opened = False
        self._resources = AsyncExitStack()
        self._task_id = task_id

    async def __aenter__(self) -> Self:
        """Takes over what earlier attempts wrote, and the events that they still owe."""
        if self._position == 0:
            self._owed.append(Announcement(step=Step.STARTED))
        if self._claim.tail:
            for segment in await self._records(self._stage.name, after=0, count=self._claim.tail):
                assert isinstance(segment, Segment)
                self._take(segment, done=None)
        self._read = self._claim.tail
        if self._position == 0:
            await self._commit()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @property
    def task_id(self) -> str:
        return self._task_id

    @property
    def options(self) -> Options:
        return self._claim.options

    @property
    def submitted(self) -> datetime:
        return self._claim.submitted

    @property
    def written(self) -> Sequence[Segment]:
        return self._written

    @property
    def duration(self) -> float:
        return self._claim.duration

    async def audio(self) -> Path:
        return await self._resources.enter_async_context(self._around.blobs.as_file(self._claim.blob))

    async def batches(self) -> AsyncIterator[Sequence[Segment]]:
        while self._input_end is None:
            self._woken.clear()
            segments = await self._next_segments()
            if segments:
                yield segments
            elif self._input_end is None:
                await self._pace.rest(until_set(self._woken, at_most_seconds=_LOOK_EVERY_SECONDS))

    async def document(self) -> Document:
        async for _ in self.batches():
            raise RuntimeError("document() was asked for before all batches were taken")
        assert self._input_end is not None
        return self._input_end

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._owed and self._due:
            await self._commit()
        await self._pace.rest(self._around.device.turn())
        return await self._around.device.run(function, *args, **kwargs)

    async def share(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> O:
        if self._owed and self._due:
            await self._commit()
        request = self._around.batches.ask(function, item, weight=weight, most=most, urgent=urgent)
        try:
            await self._pace.rest(request.begun.wait())
            return await request.answer
        finally:
            request.answer.cancel()

    async def segments(self, segments: Sequence[Segment], *, done: float | None = None) -> None:
        if not segments:
            return
        first = len(self._written) + 1
        for number, segment in enumerate(segments, first):
            if segment.index != number:
                raise RuntimeError(f"segment {segment.index} was emitted where {number} was due")
            self._take(segment, done=done)
        await self._commit([codec.encode(segment) for segment in segments])

    def step(self, step: Step, partial: Partial | None = None, warnings: Sequence[Notice] = ()) -> None:
        if self._stage.partial and not any(piece.text is not None for piece in self._texts):
            # A stage that streams text always shows its own step, also when there was nothing to stream.
            self._owed.append(Announcement(step=self._stage.partial.step))
        shown = None if self._withholds else partial
        self._owed.append(Announcement(step=step, partial=shown, warnings=tuple(warnings)))

    async def finish(self, document: Document) -> None:
        """Write the end record and all that is owed; the last stage of the route writes the result as well."""
        result = None
        if self._behind is None:
            whole = assemble(self._task_id, self._written, document)
            result = codec.encode_text(whole)
            self._owed.append(Announcement(step=Step.COMPLETED, partial=whole, warnings=whole.warnings))
        while len(self._owed) > _PUBLISH_AT_ONCE:
            await self._commit()
        await self._commit([codec.encode(document)], ends=True, result=result)
        if self._position == 0:
            metrics.AUDIO_SECONDS.inc(document.duration)
        if result is not None:
            metrics.TASKS_ENDED.labels(State.COMPLETED).inc()

    def _take(self, segment: Segment, *, done: float | None) -> None:
        self._written.append(segment)
        if self._stage.partial is None or self._withholds:
            return
        self._texts.append(self._stage.partial.piece(segment))
        number = len(self._written)
        if number > self._claim.published and self._texts[-1].text is not None:
            self._owed.append(Announcement(step=self._stage.partial.step, record=number, done=done))

    async def _next_segments(self) -> Sequence[Segment]:
        segments: list[Segment] = []
        for record in await self._records(self._before, after=self._read, count=_READ_AT_ONCE):
            self._read += 1
            match record:
                case Segment():
                    segments.append(record)
                case Document():
                    self._input_end = record
                    self._due = True
                    self._total = record.segments
        return segments

    async def _records(self, stage: str, *, after: int, count: int) -> Sequence[Segment | Document]:
        name = keys.out(self._task_id, stage)
        entries = await self._pace.rest(persist(lambda: self._around.redis.xrange(name, f"({after}-0", count=count)))
        return [codec.decode_record(fields[b"record"]) for _, fields in entries]

    async def _commit(self, records: Sequence[bytes] = (), *, ends: bool = False, result: str | None = None) -> None:
        published = self._owed[:_PUBLISH_AT_ONCE] if self._due else []
        commit = Commit(
            task_id=self._task_id,
            stage=self._stage.name,
            job_id=keys.job_id(self._task_id, self._stage.name),
            before=self._before,
            position=self._position,
            token=self._claim.token,
            channel=keys.channel(self._task_id),
            ttl_ms=self._around.ttl_ms,
            wait_ms=self._around.wait_ms,
            number=self._changes + 1,
            first=len(self._written) + (1 if ends else 1 - len(records)),
            opens=bool(records) and not self._opened,
            events=[self._event(owed) for owed in published],
            ends=ends,
            segments=len(self._written),
            result=result,
            next=self._next_job(),
        )
        if commit.opens:
            self._opened = True
            tracing.current().happened("first_record")
        committed = await self._written_down(commit, records)
        self._changes += 1
        del self._owed[: len(published)]
        self._learn(committed, wrote=len(records))
        if self._owed and self._due and not ends:
            await self._commit()

    async def _written_down(self, commit: Commit, records: Sequence[bytes]) -> Committed:
        """The commit, made. The first record of all sends the job of the stage behind."""
        sends = self._behind if commit.first == 1 and records else None
        here = nullcontext(tracing.current())
        with tracing.sending(self._around.tracing, self._task_id, sends) if sends else here as span:
            job = queue.stage_job(self._task_id, span.traceparent) if commit.next else b""
            return await self._pace.rest(persist(lambda: self._around.scripts.commit(commit, records, job=job)))

    def _learn(self, committed: Committed, *, wrote: int) -> None:
        self._due = self._due or committed.due
        if committed.total is not None:
            self._total = committed.total
        if wrote:  # half of all commits write none, and looking up a counter costs more than counting
            metrics.RECORDS.labels(self._stage.name).inc(wrote - committed.refused)
        if committed.refused:
            metrics.RECORDS_REFUSED.labels(self._stage.name).inc(committed.refused)

    def _event(self, owed: Announcement) -> PublishedEvent:
        if not owed.record:
            return announcement.of_step(self._task_id, owed)
        assert self._stage.partial is not None
        if owed.done is None and self._total:
            owed = msgspec.structs.replace(owed, done=owed.record / self._total)
        segment, texts = self._written[owed.record - 1], self._texts[: owed.record]
        return announcement.of_record(self._task_id, owed, segment=segment, texts=texts, partial=self._stage.partial)

    def _next_job(self) -> NextJob | None:
        stage: StageName | None = self._behind
        if stage is None:
            return None
        return NextJob(stage=stage, job_id=keys.job_id(self._task_id, stage), wake=keys.wake(stage))
