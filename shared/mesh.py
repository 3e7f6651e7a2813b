"""Direct calls of one stage, for services that share the Redis of the mesh: text in, the stage's records out.

A call is a task with a route of one stage, submitted by the same script as any other, so it waits in the same queue, is
continued elsewhere when its worker dies, and is seen once whatever happens. Its records are read from the stage's own
output as they are written. One pub/sub connection for all calls of a `Mesh` says when to look, and as few others read;
losing a message costs one look's delay. What a call leaves in Redis is removed when it ends, in whatever way.
"""

import asyncio
import builtins
import uuid
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self, TypedDict, TypeVar, Unpack

import msgspec
import structlog

from shared import codec, events, keys, metrics, queue
from shared.blobs import BlobStore
from shared.errors import DeadlineExceeded, Retryable, TaskFailed
from shared.messages import Document, Failure, Options, Record, Segment, StageName, State
from shared.redis import AWAY, client, open_pool
from shared.scripts import Limits, Scripts
from shared.settings import BaseSettings
from shared.submission import NoRoom, Room, Submission
from shared.text.language import normalise
from shared.text.speakers import named
from shared.turns import Turns
from shared.wake import Wakeups, until_set

log = structlog.get_logger(__name__)

T = TypeVar("T")

Source = Sequence[Segment | str] | Path
"""What a stage is given: sentences, in order, or (asr) a recording."""

CONNECTIONS = 8
"""Commands at a time, for all calls of a `Mesh` together."""
_READ_AT_ONCE = 64
_LOOK_SECONDS = 1.0
"""What losing a message may cost."""
_CLEANING_SECONDS = 2.0
"""How long a Redis that answers nobody is waited for to remove what a call has left. It expires otherwise."""

_LATE = Failure(
    code="deadline_exceeded", message="It was not done when its caller could wait no longer.", retryable=True
)
_OVERLOADED = Failure(code="overloaded", message="More is waiting than can be worked on soon.", retryable=True)
_CANCELLED = Failure(code="cancelled", message="Somebody has cancelled the task of this call.")
_LOST = Failure(
    code="task_lost",
    message="This task is no longer known: it has expired or was lost. Please submit it again.",
    retryable=True,
)


class Asked(TypedDict, total=False):
    """The options of a call. The README says what each does; a stage looks only at its own."""

    language: str
    target_language: str
    topics: Sequence[str]
    entity_labels: Sequence[str]
    initial_prompt: str
    hotwords: str
    diarize: bool
    num_speakers: int
    min_speakers: int
    max_speakers: int
    word_timestamps: bool
    channels: Literal["mix", "separate"]


class Outcome(NamedTuple):
    """All that a call has brought. The segments are numbered from 1, in the order in which they were given."""

    segments: Sequence[Segment]
    document: Document


class _Call:
    """One call: what it has submitted, and how long it may still take."""

    def __init__(self, submission: Submission, *, deadline: float) -> None:
        self.submission = submission
        self.task_id = submission.task_id
        self.stage = submission.route[0]
        self.read = 0
        """Number of the last record that its caller has had."""
        self.taken = False
        """Whether a worker has begun."""
        self.ended = False
        self.late = False
        self._seconds = deadline
        self._ends = asyncio.get_running_loop().time() + deadline

    async def within(self, work: Awaitable[T]) -> T:
        """What `work` returns. Raises `DeadlineExceeded` when it is not done in time."""
        timeout = asyncio.timeout_at(self._ends)
        try:
            async with timeout:
                return await work
        except builtins.TimeoutError as error:
            if not timeout.expired():
                raise
            self.late = True
            what = "was not done" if self.taken else "was not taken up by a worker"
            raise DeadlineExceeded(f"The stage {self.stage} {what} within {self._seconds:g} s.") from error


class Mesh:
    """An asynchronous context manager over the Redis (and, for recordings, the blob store) of `settings`.

    Calls may run side by side, any number of them. Whatever ends a call (its result, its deadline, an error, the
    cancellation of the task that awaits it), its work ends with it.
    """

    def __init__(self, settings: BaseSettings, *, max_queue: int = 1_000) -> None:
        """Raises `SettingsError` when they name no Redis. Connects with the first call. A call fails at once while its
        stage has `max_queue` jobs, in work or waiting, as the gateway's MAX_QUEUE has it for tasks; 0 is no limit."""
        self._settings = settings
        self._pool = open_pool(settings, name="mesh")
        self._redis = client(self._pool)
        limits = Limits(ttl_ms=settings.task_ttl_seconds * 1000, wait_ms=settings.wait_limit_seconds * 1000)
        self._scripts = Scripts(self._redis, limits)
        self._room = Room(queue=max_queue)
        self._channel = keys.reply(uuid.uuid4().hex)
        self._wakeups = Wakeups(self._redis, self._channel)
        self._turns = Turns(CONNECTIONS)
        self._tasks = asyncio.TaskGroup()
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._resources.push_async_callback(self._pool.aclose)
        await self._resources.enter_async_context(self._tasks)
        listener = self._tasks.create_task(self._wakeups.listen(), name="replies")
        self._resources.callback(listener.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.__aexit__(kind, error, trace)

    async def call(
        self, stage: StageName | str, source: Source, *, deadline: float = 60.0, **asked: Unpack[Asked]
    ) -> Outcome:
        """All that `stage` makes of `source`.

        Raises `DeadlineExceeded` (a `TimeoutError`) when it is not done in `deadline` seconds, `TaskFailed` with the
        code of docs/errors.md when it cannot be done, `Permanent` for a language that is none, and `ValueError` for a
        stage that is none or a source that it does not take."""
        segments: list[Segment] = []
        async with self.stream(stage, source, deadline=deadline, **asked) as records:
            async for record in records:
                match record:
                    case Segment():
                        segments.append(record)
                    case Document():
                        return Outcome(named(segments, record.turns), record)
        raise AssertionError("a stream ends with its document, or raises")

    @asynccontextmanager
    async def stream(
        self, stage: StageName | str, source: Source, *, deadline: float = 60.0, **asked: Unpack[Asked]
    ) -> AsyncGenerator[AsyncGenerator[Record]]:
        """The same as it comes: each segment once and in order, then the document. Speakers are guesses until then,
        and `shared.text.speakers.named` takes those of the document. Whoever leaves the block before has
        the work ended. Iterating raises what `call` raises."""
        submission = _submission(StageName(stage), source, asked, self._settings, self._channel)
        call = _Call(submission, deadline=deadline)
        try:
            async with aclosing(self._records(call, source)) as records:
                yield records
        finally:
            await asyncio.shield(self._tasks.create_task(self._clean(call), name=f"end of {call.task_id}"))

    async def _records(self, call: _Call, source: Source) -> AsyncGenerator[Record]:
        with self._wakeups.of_task(call.task_id) as woken:
            await call.within(self._submit(call, source))
            while True:
                woken.clear()
                state, error, records = await call.within(self._turns.persist(lambda: self._look(call)))
                call.taken = state != State.QUEUED.value.encode()
                for record in records:
                    call.read += 1
                    call.ended = isinstance(record, Document)
                    yield record
                    if call.ended:
                        return
                if not records:
                    _check(state, error)
                    await call.within(until_set(woken, at_most_seconds=_LOOK_SECONDS))

    async def _submit(self, call: _Call, source: Source) -> None:
        if isinstance(source, Path):
            await self._blobs.put(call.task_id, source)
        try:
            await self._turns.persist(lambda: self._scripts.submit(call.submission, self._room))
        except NoRoom as want:
            raise TaskFailed(_OVERLOADED) from want
        metrics.TASKS_SUBMITTED.inc()

    async def _look(self, call: _Call) -> tuple[bytes | None, bytes | None, Sequence[Record]]:
        """State and error of the task, and the next records. The state is the older: with one that is
        terminal, what is not there will not come."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(keys.task(call.task_id), ("state", "error"))
            pipeline.xrange(keys.out(call.task_id, call.stage), f"({call.read}-0", count=_READ_AT_ONCE)
            (state, error), entries = await pipeline.execute()
        return state, error, [codec.decode_record(fields[b"record"]) for _, fields in entries]

    async def _clean(self, call: _Call) -> None:
        """End the task if it has not ended, and remove what there is of it, unless Redis is away."""
        if not await self._turns.while_answered(self._remove(call), silence_seconds=_CLEANING_SECONDS):
            _log_left(call, "Redis does not answer")

    async def _remove(self, call: _Call) -> None:
        task_id, stage = call.task_id, call.stage
        state, failure = (State.EXPIRED, _LATE) if call.late else (State.CANCELLED, None)
        try:
            if not call.ended:
                event, reason = (
                    events.make_end(task_id, state, failure),
                    codec.encode_text(failure) if failure else "",
                )
                await self._turns.persist(lambda: self._scripts.close(task_id, state, event=event, error=reason))
            await self._turns.persist(lambda: self._scripts.discard(task_id, stage))
            if call.submission.blob:
                await self._blobs.delete(call.submission.blob)
        except (*AWAY, Retryable) as error:
            _log_left(call, repr(error))

    @cached_property
    def _blobs(self) -> BlobStore:
        return BlobStore.of(self._settings)


def _log_left(call: _Call, error: str) -> None:
    log.warning("call_left_behind", task_id=call.task_id, stage=call.stage, error=error)


def _submission(
    stage: StageName, source: Source, asked: Mapping[str, object], settings: BaseSettings, reply: str
) -> Submission:
    task_id = uuid.uuid4().hex
    recording = isinstance(source, Path)
    if recording != (stage is StageName.ASR):
        raise ValueError(f"{stage} takes {'a recording' if stage is StageName.ASR else 'sentences'}")
    options = _options(stage, asked, settings)
    return Submission(
        task_id=task_id,
        route=(stage,),
        options=options,
        job=queue.stage_job(task_id),
        blob=task_id if recording else "",
        records=() if recording else _input(source, options.language),
        reply=reply,
    )


def _options(stage: StageName, asked: Mapping[str, object], settings: BaseSettings) -> Options:
    given = dict(asked)
    if stage is StageName.TRANSLATE:
        given.setdefault("target_language", settings.default_target_language)
    for name in {"language", "target_language"} & given.keys():
        given[name] = normalise(str(given[name]))
    return msgspec.convert(given, Options)


def _input(source: Sequence[Segment | str], language: str | None) -> Sequence[bytes]:
    """The source as the records of a stage before would be: numbered from 1, the end record last."""
    sentences = [source] if isinstance(source, str) else source
    segments = [
        Segment(index=number, start=0.0, end=0.0, text=sentence)
        if isinstance(sentence, str)
        else msgspec.structs.replace(sentence, index=number)
        for number, sentence in enumerate(sentences, 1)
    ]
    duration = max((segment.end for segment in segments), default=0.0)
    document = Document(segments=len(segments), duration=duration, language=language, coverage=1.0)
    return [codec.encode(record) for record in (*segments, document)]


def _check(state: bytes | None, error: bytes | None) -> None:
    """Raises `TaskFailed` when nothing will come any more."""
    if state is None:
        raise TaskFailed(_LOST)
    match State(state.decode()):
        case State.QUEUED | State.RUNNING:
            return
        case State.CANCELLED:
            raise TaskFailed(_CANCELLED)
        case _:
            raise TaskFailed(codec.decode_failure(error) if error else _LOST)
