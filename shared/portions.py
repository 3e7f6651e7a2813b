"""How much a model is given at once when the memory of its device may run out.

The first time that it runs out, the portion is halved, and stays so: the card is smaller, or fuller, than its operator
thought. When it runs out again at once, something else is wrong, and a CUDA context that has failed keeps failing: the
process ends, so that its jobs go on in a new one.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from shared.device import Unusable

I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741

log = structlog.get_logger(__name__)


class Portions:
    """Feeds a model `size` items at a time, at most."""

    def __init__(self, size: int) -> None:
        self.size = size

    def compute(self, function: Callable[[Sequence[I]], Sequence[O]], items: Sequence[I]) -> list[O]:
        """What `function` answers for `items`, in their order, asked in portions. Raises what it raises, and `Unusable`
        when the memory has run out twice in a row."""
        answers: list[O] = []
        failed = False
        while len(answers) < len(items):
            try:
                answers += function(items[len(answers) : len(answers) + self.size])
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


def _exhausted(error: RuntimeError | MemoryError) -> bool:
    """Whether a device's memory has run out. CTranslate2 and torch say so in words alone."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "alloc_failed" in words
