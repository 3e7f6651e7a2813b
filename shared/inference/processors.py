"""How many processors this process may use. Thread pools sized by the host inside a limited container run many times
slower: the threads take turns on a quota that a few of them have used up."""

import os
import sys
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available(quota: Path = _QUOTA) -> int:
    """The processors of our affinity mask, or fewer when the container's quota allows fewer. At least 1."""
    ours = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        limit, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ours
    if limit == "max":
        return ours
    return max(1, min(ours, -(-int(limit) // int(period))))
