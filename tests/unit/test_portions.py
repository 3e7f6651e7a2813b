"""A device whose memory runs out gets less at once; one that keeps failing ends its process."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from shared.device import Device, Unusable
from shared.portions import Portions

WORDS = "CUDA failed with error out of memory"


def failing(*calls: int, words: str = WORDS) -> tuple[Callable[[Sequence[int]], Sequence[int]], list[int]]:
    """A model that fails in the calls with these numbers, from 1, and the sizes of its calls."""
    sizes: list[int] = []

    def model(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        if len(sizes) in calls:
            raise RuntimeError(words)
        return [item + 1 for item in items]

    return model, sizes


def test_a13_less_is_given_after_the_memory_ran_out() -> None:
    """The same items are tried again in halves, none is lost or doubled, and the portions stay small."""
    model, sizes = failing(2)
    portions = Portions(8)
    assert portions.compute(model, range(20)) == list(range(1, 21))
    assert sizes == [8, 8, 4, 4, 4]
    assert portions.size == 4


def test_a13_twice_in_a_row_is_the_end() -> None:
    """A device that fails for less, too, is given up; so is one that fails for a single item."""
    model, sizes = failing(3, 4)
    with pytest.raises(Unusable):
        Portions(4).compute(model, range(20))
    assert sizes == [4, 4, 4, 2]


def test_other_errors_are_left_alone() -> None:
    """A bug is no lack of memory: the portions stay as they are, and the error is the caller's."""
    model, sizes = failing(1, words="index out of range")
    portions = Portions(4)
    with pytest.raises(RuntimeError, match="index"):
        portions.compute(model, range(20))
    assert (sizes, portions.size) == ([4], 4)


async def test_a13_a_device_that_cannot_be_used_stops_its_worker() -> None:
    """Whoever has computed on it neither fails nor succeeds: the worker is told to stop, and hands the job back."""
    device = Device(patience_seconds=5)

    def compute() -> None:
        raise Unusable

    waiting = asyncio.create_task(device.compute(compute))
    await asyncio.wait_for(device.stuck.wait(), 5)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    device.close()
