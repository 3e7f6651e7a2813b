"""How the C library's malloc treats what a model frees.

A run of Whisper's encoder on a processor asks for some hundred megabytes in large pieces, and gives them back, layer by
layer. glibc maps each piece of more than 32 MB anew (`M_MMAP_THRESHOLD` in mallopt(3) can be no larger), and the kernel
clears it page by page: an eighth of the time of a recogniser goes into that.
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Their numbers in malloc.h."""
_KEPT_BYTES = 1 << 30
_GROWTH_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Let this process keep what is freed, up to 1 GiB, for the next layer. Does nothing where malloc is not glibc's.

    Only the heap of the process can hold such pieces: those of threads end at 64 MB, so that new threads share it."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in (
        (_MMAP_MAX, 0),
        (_ARENA_MAX, 1),
        (_TOP_PAD, _GROWTH_BYTES),
        (_TRIM_THRESHOLD, _KEPT_BYTES),
    ):
        mallopt(option, value)
