"""Several computations of one model at once, each on a thread: what batches are to a graphics card, lanes are to a
processor.

A processor is busy with a single clip, and a batch of clips costs it more than one clip after the other: a layer's
intermediate results no longer fit into caches, nor into what malloc keeps, so that every layer of the encoder asks the
kernel for pages anew. But a clip's many small steps leave a core idle here and there, and a second clip fills that.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

I = TypeVar("I")  # noqa: E741 - input of a model

LANES = 2
"""More would only share the same cores."""


class Lanes:
    """Runs a function for portions of items, `LANES` at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LANES, thread_name_prefix="lane")

    def run(self, function: Callable[[Sequence[I]], object], portions: Sequence[Sequence[I]]) -> None:
        """Returns when `function` has run for each of `portions`. Raises then what the first that failed has raised."""
        if len(portions) == 1:
            function(portions[0])
        else:
            lanes = [self._threads.submit(function, portion) for portion in portions]
            wait(lanes)
            for lane in lanes:
                lane.result()


def portioned(items: Sequence[I], most: int) -> list[Sequence[I]]:
    """`items` in portions of at most `most`, about equally large, and enough of them for all lanes if there are."""
    count = min(len(items), max(LANES, -(-len(items) // most)))
    edges = [place * len(items) // count for place in range(count + 1)] if count else []
    return [items[start:end] for start, end in pairwise(edges)]
