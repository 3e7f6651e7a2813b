"""What the operating system lets the process have."""

import resource
from contextlib import suppress


def raise_file_limit() -> None:
    """As many open files as an unprivileged process may have: each stream is one, and shells often set only 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS says infinity and allows less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
