"""What a stage sees of the mesh, in memory: give it input, run the stage, look at what it handed on."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from shared.inference.batches import Batches
from shared.messages import Document, Notice, Options, Partial, Segment, Step

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741


class FakeWork:
    """One attempt at a task whose input is already there. `computed` names the engine calls, in order."""

    def __init__(
        self,
        options: Options | None = None,
        *,
        batches: Sequence[Sequence[Segment]] = (),
        document: Document | None = None,
        audio: Path | None = None,
        written: Sequence[Segment] = (),
        duration: float = 0.0,
    ) -> None:
        self.task_id = "task"
        self.options = options or Options()
        self.submitted = datetime(2024, 5, 15, 12, 0, tzinfo=UTC)
        self.written: list[Segment] = list(written)
        self.duration = duration
        self.computed: list[str] = []
        self._batches = batches
        self._document = document
        self._audio = audio

    async def audio(self) -> Path:
        assert self._audio is not None, "the stage asked for a recording, but the test gave none"
        return self._audio

    async def batches(self) -> AsyncIterator[Sequence[Segment]]:
        """The batches of the test without what lies behind `written` already, as the real one does."""
        done = len(self.written)
        for batch in self._batches:
            if fresh := [segment for segment in batch if segment.index > done]:
                yield fresh

    async def document(self) -> Document:
        if self._document is not None:
            return self._document
        return Document(segments=sum(len(batch) for batch in self._batches))

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.computed.append(getattr(function, "__name__", repr(function)))
        return function(*args, **kwargs)

    async def share(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> O:
        """`function` of `item` alone: there is no other task."""
        del weight, most, urgent
        return (await self.compute(function, [item]))[0]


class TogetherWork(FakeWork):
    """One of several attempts that share a device."""

    def __init__(self, line: Batches, options: Options, *, batches: Sequence[Sequence[Segment]]) -> None:
        super().__init__(options, batches=batches)
        self._line = line

    async def share(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> O:
        return await self._line.ask(function, item, weight=weight, most=most, urgent=urgent).answer


class FakeEmit:
    """Records what a stage hands on: `written` per call with its `done`, and the steps with their parts and warnings.

    With `dies_after=n` the attempt ends with `Died` as soon as `n` segments are written, as if its worker were killed.
    """

    def __init__(self, work: FakeWork, *, dies_after: int | None = None) -> None:
        self.calls: list[tuple[tuple[Segment, ...], float | None]] = []
        self.steps: list[tuple[Step, Partial | None, tuple[Notice, ...]]] = []
        self._work = work
        self._dies_after = dies_after

    @property
    def emitted(self) -> list[Segment]:
        """Every segment that this attempt wrote, in order."""
        return [segment for segments, _ in self.calls for segment in segments]

    async def segments(self, segments: Sequence[Segment], *, done: float | None = None) -> None:
        for segment in segments:
            assert segment.index == len(self._work.written) + 1, "records must be numbered without a gap"
            self._work.written.append(segment)
        self.calls.append((tuple(segments), done))
        if self._dies_after is not None and len(self.emitted) >= self._dies_after:
            raise Died

    def step(self, step: Step, partial: Partial | None = None, warnings: Sequence[Notice] = ()) -> None:
        self.steps.append((step, partial, tuple(warnings)))

    def partial(self, step: Step) -> Partial | None:
        """The partial result that came with `step`. Fails the test when the step was not announced once."""
        (found,) = [partial for announced, partial, _ in self.steps if announced is step]
        return found


class Died(Exception):
    """The worker is gone."""
