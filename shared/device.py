"""The thread on which a worker's models run.

One thread per device: inference never blocks the event loop, so leases are renewed while a model computes, and two
inferences never compete for one device. A computation cannot be interrupted; the thread is free when it has ended.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Device:
    """Runs functions one after the other on a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="device")

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Take no more work. Does not wait for a computation that is still running."""
        self._executor.shutdown(wait=False, cancel_futures=True)
