"""The thread on which a worker's models run.

One thread per device: inference never blocks the event loop, so leases are renewed while a model computes, and two
inferences never compete for one device. A computation cannot be interrupted: when nobody waits for it any more, because
its task was cancelled or has used up its time, the device is free again when it has really ended, and not before. One
that takes long on a whole document asks with `give_way`, between its batches, whether anybody still waits.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Unwanted(Exception):
    """Nobody waits for this computation any more."""


class Unusable(Exception):
    """A model says that it cannot compute any more, however often it is asked: only a new process helps."""


_here = threading.local()


def give_way() -> None:
    """For the functions that a `Device` runs: raises `Unwanted` when nobody waits for what they compute any more."""
    unwanted: threading.Event | None = getattr(_here, "unwanted", None)
    if unwanted is not None and unwanted.is_set():
        raise Unwanted


class Device:
    """Runs functions one after the other on a thread of its own, in the order in which they were asked for."""

    def __init__(self, *, patience_seconds: float) -> None:
        """`patience_seconds` is how long a computation may go on that nobody waits for any more."""
        self.stuck = asyncio.Event()
        """Set when one has gone on for longer, or has found the device unusable. Only a new process helps."""
        self._patience_seconds = patience_seconds
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._turn = asyncio.Lock()

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, when the turn has come."""
        await self.turn()
        return await self.run(function, *args, **kwargs)

    async def turn(self) -> None:
        """Returns when the device is the caller's, who goes on with `run` at once."""
        await self._turn.acquire()

    def pass_on(self) -> None:
        """The caller, whose turn it is, has nothing to compute."""
        self._turn.release()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises. The turn of the caller ends when the computation has ended.

        Never returns when that raises `Unusable`: the worker stops and hands back what it has in hand."""
        loop = asyncio.get_running_loop()
        unwanted = threading.Event()
        job = self._executor.submit(_compute, partial(function, *args, **kwargs), unwanted)
        try:
            return await asyncio.wrap_future(job)
        except Unusable:
            self.stuck.set()
            await loop.create_future()
            raise
        finally:
            if job.cancel() or job.done():
                self._turn.release()
            else:
                unwanted.set()
                self._outlast(job, loop)

    def close(self) -> None:
        """Take no more work. Does not wait for a computation that is still running."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _outlast(self, job: "Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
        alarm = loop.call_later(self._patience_seconds, self.stuck.set)

        def free() -> None:
            alarm.cancel()
            self._turn.release()

        def ended(_: "Future[Any]") -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody needs the device any more
                loop.call_soon_threadsafe(free)

        job.add_done_callback(ended)


def _compute(work: Callable[[], T], unwanted: threading.Event) -> T:
    _here.unwanted = unwanted
    return work()
