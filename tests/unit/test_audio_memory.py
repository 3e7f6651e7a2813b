"""What recordings take of memory, while they are read and afterwards."""

import ctypes
import gc
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from shared.audio import decode_windows, probe
from tests.fakes.recordings import RATE, write_wave

_TIMES, _ROUNDS = 100, 4
_MOST_BYTES = 40 * _TIMES
"""An allocation that is lost each time takes 64 bytes and more. Caches may fill in some of the rounds, not in all."""


class _Allocated(ctypes.Structure):
    """mallinfo2(3) of glibc: what it has given out, past Python's own counting."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def begin_windows(path: Path) -> None:
    """Read the first window and leave the rest."""
    next(decode_windows(path, 0.1))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc")
@pytest.mark.parametrize("read", [probe, begin_windows])
def test_recordings_leave_no_memory_behind(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """A gateway that has looked into some hundred recordings, or stopped reading in the midst of them, is no larger."""
    path = write_wave(tmp_path / "short.wav", np.zeros(RATE, "<i2"))
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Allocated

    def used_after_more() -> int:
        for _ in range(_TIMES):
            read(path)
        gc.collect()
        return int(mallinfo().uordblks)

    used = [used_after_more() for _ in range(_ROUNDS + 1)]
    assert min(after - before for before, after in pairwise(used)) < _MOST_BYTES


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Two minutes in windows of one second never hold more than a few windows."""
    path = write_wave(tmp_path / "long.wav", np.zeros(120 * 8_000, "<i2"), rate=8_000)
    tracemalloc.start()
    seconds = sum(window.shape[1] for window in decode_windows(path, 1.0)) / RATE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds == pytest.approx(120)
    assert peak < 2_000_000
