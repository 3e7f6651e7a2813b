"""Continuous batching: what several tasks want of a model at the same time is computed in one call.

Nobody waits for a batch to fill. Whenever the device is free, the next call takes what is waiting, up to a limit: what
is urgent first, then in the order of asking. While it runs, the next batch gathers. A task alone is as fast as without
batching, and many at once share the calls.

Tasks that share a call do not share its misfortune: when a call for several fails, each is tried for itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shared.inference.device import Device

I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741


class Request:
    """One item that a task wants computed. `weight` is its part of a call's limit."""

    def __init__(self, item: Any, *, weight: float, urgent: bool) -> None:
        loop = asyncio.get_running_loop()
        self.item = item
        self.weight = weight
        self.urgent = urgent
        self.begun = asyncio.Event()
        """Set when its computation begins: until then the task has waited for others."""
        self.answer: asyncio.Future[Any] = loop.create_future()


class Batches:
    """Calls on a device, one line of requests for each function."""

    def __init__(self, device: Device, *, observe: Callable[[float], None] = lambda _: None) -> None:
        """`observe` is told how many items each call has."""
        self._device = device
        self._observe = observe
        self._lines: dict[Callable[..., Any], _Line] = {}

    def ask(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> Request:
        """A request for what `function` answers for `item`. It is called with a batch, as many items as weigh `most`
        together but at least one, and returns an answer for each."""
        line = self._lines.setdefault(function, _Line(self._device, function, self._observe))
        request = Request(item, weight=weight, urgent=urgent)
        request.answer.add_done_callback(lambda _: line.left())
        line.add(request, most)
        return request


class _Line:
    """The requests for one function, and the task that serves them while there are any."""

    def __init__(self, device: Device, function: Callable[..., Any], observe: Callable[[float], None]) -> None:
        self._device = device
        self._observe = observe
        self._function = function
        self._most = 1.0
        self._waiting: list[Request] = []
        self._batch: Sequence[Request] = ()
        self._job: asyncio.Task[Sequence[Any]] | None = None
        self._server: asyncio.Task[None] | None = None

    def add(self, request: Request, most: float) -> None:
        self._most = most
        place = sum(waiting.urgent for waiting in self._waiting) if request.urgent else len(self._waiting)
        self._waiting.insert(place, request)
        if self._server is None or self._server.done():
            self._server = asyncio.create_task(self._serve(), name="batches")

    def left(self) -> None:
        """When nobody waits for a computation any more it may end early."""
        if self._job is not None and all(request.answer.done() for request in self._batch):
            self._job.cancel()

    async def _serve(self) -> None:
        while self._waiting:
            await self._device.turn()
            batch = self._take()
            if batch:
                await self._compute(batch)
            else:
                self._device.pass_on()

    def _take(self) -> Sequence[Request]:
        """The next batch. Whoever has left does not count."""
        self._waiting = [request for request in self._waiting if not request.answer.done()]
        batch: list[Request] = []
        for request in list(self._waiting):
            if batch and sum(taken.weight for taken in batch) + request.weight > self._most:
                continue
            batch.append(request)
            self._waiting.remove(request)
        return batch

    async def _compute(self, batch: Sequence[Request]) -> None:
        """Answer a batch. The turn on the device is ours, and ends with the computation."""
        self._observe(len(batch))
        for request in batch:
            request.begun.set()
        job = asyncio.create_task(self._device.run(self._function, [request.item for request in batch]), name="batch")
        self._batch, self._job = batch, job
        await asyncio.wait([job])
        self._batch, self._job = (), None
        if job.cancelled():
            return
        error = job.exception()
        if error is not None and len(batch) > 1:
            for request in batch:
                if not request.answer.done():
                    await self._device.turn()
                    await self._compute([request])
            return
        _settle(batch, job.result() if error is None else error)


def _settle(batch: Sequence[Request], outcome: Sequence[Any] | BaseException) -> None:
    """Give each request that somebody still waits for its answer, or the error to all."""
    for place, request in enumerate(batch):
        if request.answer.done():
            continue
        if isinstance(outcome, BaseException):
            request.answer.set_exception(outcome)
        else:
            request.answer.set_result(outcome[place])
