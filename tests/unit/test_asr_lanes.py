"""Clips that a processor works on at the same time."""

import threading
from collections.abc import Sequence

import pytest

from services.asr._lanes import LANES, Lanes, portioned


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(0, 3, []), (1, 3, [1]), (2, 3, [1, 1]), (4, 3, [2, 2]), (7, 3, [2, 2, 3]), (3, 1, [1, 1, 1])],
)
def test_portions_are_even_and_leave_no_lane_empty(count: int, most: int, sizes: Sequence[int]) -> None:
    """None is larger than it may be, none is lost, and the order stays."""
    portions = portioned(range(count), most)
    assert [len(portion) for portion in portions] == sizes
    assert [item for portion in portions for item in portion] == list(range(count))


def test_lanes_run_at_the_same_time() -> None:
    """A portion that waits for another one is not waited for in vain."""
    meeting = threading.Barrier(LANES, timeout=10)
    Lanes().run(lambda _: meeting.wait(), [[number] for number in range(2 * LANES)])


def test_an_error_in_a_lane_is_raised() -> None:
    """Whoever has asked learns that it did not work, whether it was asked for one portion or for many."""

    def fail(items: Sequence[int]) -> None:
        raise ValueError(items)

    for portions in ([[1]], [[1], [2], [3]]):
        with pytest.raises(ValueError, match=r"\[1\]"):
            Lanes().run(fail, portions)
