"""How the C library of a worker treats what its models free. glibc reads this when a process starts, so that it stands
in the environment; other C libraries pay no heed to it."""

from collections.abc import Mapping

from shared.messages import StageName

_VARIABLE = "GLIBC_TUNABLES"
_KEEPING = (
    "glibc.malloc.mmap_max=0:glibc.malloc.arena_max=1:glibc.malloc.top_pad=67108864"
    ":glibc.malloc.trim_threshold=1073741824:glibc.malloc.hugetlb=1"
)
"""A run of Whisper's encoder on a processor asks for some hundred megabytes, and gives them back, layer by layer. By
itself glibc maps each piece of more than 32 MB anew, and the kernel clears it page by page: an eighth of a recogniser's
time. So such pieces come from the heap (that of the process, for those of threads end at 64 MB), up to 1 GiB of what is
free stays, and its pages are large, which saves as much again. See the GNU C Library's manual, "Memory Allocation
Tunables"."""


def for_worker(stage: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment for the worker of `stage`. What an operator has set stays as it is."""
    return {_VARIABLE: _KEEPING, **environ} if stage == StageName.ASR else environ
