"""Runs a command that cannot outlive the process that asked for it: `tether.py PARENT SIGNAL COMMAND…`.

The kernel sends SIGNAL to the command when PARENT dies, by whatever death. Only Linux has this; elsewhere the command
simply runs, and a parent that is killed outright leaves it behind. A script of its own, because the only other place
to do this is between fork and exec of a process with threads, where Python code may deadlock.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, signum, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it died before the kernel knew
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 (an argument list, no shell)


if __name__ == "__main__":
    main()
