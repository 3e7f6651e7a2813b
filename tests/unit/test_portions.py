"""A device whose memory runs out gets less at once; one that keeps failing ends its process."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from shared.inference.device import Device, Unusable
from shared.inference.portions import Portions

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


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(0, 3, []), (1, 3, [1]), (2, 3, [1, 1]), (4, 3, [2, 2]), (7, 3, [2, 2, 3]), (3, 1, [1, 1, 1])],
)
def test_portions_in_lanes_are_even_and_leave_none_empty(count: int, size: int, sizes: Sequence[int]) -> None:
    """None is larger than it may be, none is lost, and the order stays."""
    model, called = failing()
    assert Portions(size, lanes=2).compute(model, range(count)) == list(range(1, count + 1))
    assert sorted(called) == sizes


def test_lanes_run_at_the_same_time() -> None:
    """A portion that waits for another one is not waited for in vain."""
    meeting = threading.Barrier(2, timeout=60)
    places = Portions(1, lanes=2).compute(lambda _: [meeting.wait()], range(4))
    assert sorted(places) == [0, 0, 1, 1]


def test_a13_less_is_given_in_lanes_after_the_memory_ran_out() -> None:
    """What the other lanes have done by then is done again; nothing is lost or doubled."""
    model, sizes = failing(1)
    portions = Portions(4, lanes=2)
    assert portions.compute(model, range(8)) == list(range(1, 9))
    assert (portions.size, max(sizes[2:])) == (2, 2)


def test_an_error_in_a_lane_ends_all() -> None:
    """Whoever has asked learns that it did not work, and no lane is left at work."""
    meeting, over = threading.Barrier(2, timeout=60), threading.Event()

    def fail(items: Sequence[int]) -> Sequence[int]:
        meeting.wait()
        if items[0]:
            over.set()
            return items
        raise ValueError(items)

    with pytest.raises(ValueError, match="0"):
        Portions(1, lanes=2).compute(fail, range(2))
    assert over.is_set()


async def test_a13_a_device_that_cannot_be_used_stops_its_worker() -> None:
    """Whoever has computed on it neither fails nor succeeds: the worker is told to stop, and hands the job back."""
    device = Device(patience_seconds=5)

    def compute() -> None:
        raise Unusable

    waiting = asyncio.create_task(device.compute(compute))
    await asyncio.wait_for(device.stuck.wait(), 30)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    device.close()
