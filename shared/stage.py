"""What a stage service is made of, and all that its `stage.py` sees of the mesh.

A stage is one coroutine, `run(work, engine, emit)`. It takes segments from `work`, computes on the engine's own thread
through `work.compute`, and hands segments and steps to `emit`. It knows no Redis, no queue and no attempt: when a
worker dies, `run` is started again elsewhere with `work.written` holding what is safe, and simply goes on behind it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec

from shared.events import Piece
from shared.messages import Document, Notice, Options, Partial, Segment, StageName, Step

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741


class Engine(Protocol):
    """The synchronous side of a stage: models. Each stage's protocol adds its inference methods.

    These run on one thread that the worker keeps for it, and so does whatever computes; what only tells something that
    is known, such as a property, may be asked for anywhere.
    """

    def load(self) -> None:
        """Load the models. Raises `ModelMissing` with what to do when one is not there."""
        ...

    def warm_up(self) -> None:
        """Run each model once, so that the first job is not slower than the next."""
        ...

    def describe(self) -> dict[str, Any]:
        """What this engine can do, for `/audio/capabilities`: its name, models, languages or language pairs."""
        ...


class Work(Protocol):
    """One attempt's view of its task."""

    @property
    def task_id(self) -> str: ...

    @property
    def options(self) -> Options: ...

    @property
    def submitted(self) -> datetime:
        """When the task was submitted (UTC): what `tomorrow` in the recording most likely counts from."""
        ...

    @property
    def written(self) -> Sequence[Segment]:
        """The stage's own output so far, in order: what earlier attempts wrote, then what this one emitted."""
        ...

    @property
    def duration(self) -> float:
        """Seconds of sound in the recording as counted when it was submitted; 0 where that is not known."""
        ...

    async def audio(self) -> Path:
        """The recording as a seekable local file, for the time of the attempt."""
        ...

    def batches(self) -> AsyncIterator[Sequence[Segment]]:
        """The input segments behind `written`, in order, in batches of whatever is there when asked.

        Ends when the stage before has ended."""
        ...

    async def document(self) -> Document:
        """The end record of the stage before. Waits for it."""
        ...

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on the engine's thread. Steps announced so far leave first, so that clients see them."""
        ...

    async def share(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> O:
        """What `function` answers for `item`, computed as `compute` does, in one call with what other tasks ask of the
        same function meanwhile: as many items as weigh `most` together, but at least one. `urgent` ones go first."""
        ...


class Emit(Protocol):
    """What an attempt hands on. Nothing is ever written or published twice, whichever attempt calls this."""

    async def segments(self, segments: Sequence[Segment], *, done: float | None = None) -> None:
        """Write the next records; returns when they are durable. `done` is the share of the stage's work, 0 to 1,
        for a stage that knows it better than by counting segments."""
        ...

    def step(self, step: Step, partial: Partial | None = None, warnings: Sequence[Notice] = ()) -> None:
        """Announce a step. It is published in order, once, when the stages before have ended."""
        ...


class PartialText(msgspec.Struct, frozen=True):
    """How a stage that streams text reports each segment: the step of the event and its partial result."""

    step: Step
    piece: Callable[[Segment], Piece]
    """What the segment adds to the text so far. One without a text has nothing to show, and makes no event."""
    part: Callable[[str | None, Segment], Partial]
    """The partial result, from the text so far (None where it is left out) and the segment."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage service, whole. `run` returns the end record, enriched."""

    name: StageName
    run: Callable[[Work, Any, Emit], Awaitable[Document]]
    partial: PartialText | None = None
