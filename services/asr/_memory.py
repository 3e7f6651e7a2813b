"""What a process does with memory that it has freed."""

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Parameters of glibc's `mallopt`."""
_KEPT = 2**30


def keep_freed_memory() -> None:
    """Let the process keep up to a gigabyte of what it frees, and take it from there again.

    Intermediate results of Whisper's encoder are larger than the 32 MB up to which glibc keeps anything: each layer
    gets its pages from the kernel and gives them back, a hundred thousand page faults for a clip of 30 s, and about a
    fifth of the encoder's time. Best called before there are threads: what they have of their own stays as it is. Does
    nothing where the C library is another."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _KEPT)
