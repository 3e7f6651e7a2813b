"""How much a model is given at once, and how many portions side by side.

A graphics card gets large portions, one after the other. A processor gets small ones in several lanes, each on a thread
of its own: a batch costs it no less than its items one by one, and threads within one computation spend much of their
time on waiting for each other, which threads in computations of their own do not.

The first time that memory runs out, the portion is halved, and stays so: the device is smaller, or fuller, than its
operator thought. When it runs out again at once, something else is wrong, and a CUDA context that has failed keeps
failing: the process ends, so that its jobs go on in a new one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

import structlog

from shared.inference.device import Unusable

I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741

log = structlog.get_logger(__name__)


class Portions:
    """Feeds a model `size` items at a time, at most, on `lanes` threads if that is more than one."""

    def __init__(self, size: int, *, lanes: int = 1) -> None:
        self.size = size
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="lane") if lanes > 1 else None

    def compute(self, function: Callable[[Sequence[I]], Sequence[O]], items: Sequence[I]) -> list[O]:
        """What `function` answers for `items`, in their order, asked in portions. Raises what it raises, and `Unusable`
        when the memory has run out twice in a row. Whatever comes of it, no lane is still at work then."""
        answers: list[O] = []
        failed = False
        while len(answers) < len(items):
            try:
                for answer in self._answers(function, items[len(answers) :]):
                    answers += answer
                    failed = False
            except (RuntimeError, MemoryError) as error:
                if not _exhausted(error):
                    raise
                if failed:
                    log.critical("out_of_memory_again", size=self.size)
                    raise Unusable(str(error)) from error
                failed = True
                self.size = max(1, self.size // 2)
                log.warning("out_of_memory", size=self.size, error=str(error))
        return answers

    def _answers(self, function: Callable[[Sequence[I]], Sequence[O]], items: Sequence[I]) -> Iterator[Sequence[O]]:
        portions = self._portions(items)
        if self._threads is None or len(portions) == 1:
            yield from map(function, portions)
            return
        running = [self._threads.submit(function, portion) for portion in portions]
        try:
            for lane in running:
                yield lane.result()
        finally:
            for lane in running:
                lane.cancel()
            wait(running)

    def _portions(self, items: Sequence[I]) -> list[Sequence[I]]:
        """As few as can be, but one for each lane; with lanes all about equally large, so that they end together."""
        if self._threads is None:
            return [items[start : start + self.size] for start in range(0, len(items), self.size)]
        count = min(len(items), max(self._lanes, -(-len(items) // self.size)))
        edges = [place * len(items) // count for place in range(count + 1)]
        return [items[start:end] for start, end in pairwise(edges)]


def _exhausted(error: RuntimeError | MemoryError) -> bool:
    """Whether a device's memory has run out. CTranslate2 and torch say so in words alone."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "alloc_failed" in words
