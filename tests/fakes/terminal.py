"""A command in a pseudo-terminal of its own, as a person runs it."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.local_mesh import ROOT

_START = """\
import fcntl, os, signal, sys, termios

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
VOXMESH = (sys.executable, "-m", "deploy.local.cli")
Run = Callable[..., subprocess.CompletedProcess[bytes]]
"""Runs a command of it to the end: words, what comes in, and variables."""


class Terminal:
    """A context manager; `shown` is all that has been written to the terminal so far, and `printed` what the command
    wrote to its standard output where that is `apart`."""

    def __init__(
        self, argv: Sequence[str], *, environ: Mapping[str, str] | None = None, apart: bool = False, width: int = 100
    ) -> None:
        self.shown = ""
        self.printed = ""
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *argv],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=theirs,
            stdout=subprocess.PIPE if apart else theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        os.close(self._ours)

    def until(self, held: Callable[[str], bool], *, seconds: float = 30.0) -> str:
        """What is shown once `held` holds for it; fails when it does not in time, or the command ends before."""
        deadline = time.monotonic() + seconds
        while not held(self.shown):
            assert time.monotonic() < deadline, f"waited {seconds} s: {self.shown[-2000:]}"
            assert self._read(), f"it has ended: {self.shown[-2000:]}"
        return self.shown

    def press_ctrl_c(self) -> None:
        """What the terminal makes of the key: SIGINT to all who are in the foreground."""
        os.write(self._ours, b"\x03")

    def hang_up(self) -> None:
        """Its window is closed: SIGHUP to the command, and whatever is written there from now on is an error."""
        os.close(self._ours)
        self._ours = os.open(os.devnull, os.O_RDONLY)

    def ended(self, *, seconds: float = 30.0) -> int:
        """The exit status."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"waited {seconds} s for the end: {self.shown[-2000:]}"
        if self._process.stdout:
            self.printed = self._process.stdout.read().decode()
        return self._process.wait(seconds)

    def _read(self) -> bool:
        """Whether there may be more."""
        ready, _, _ = select.select([self._ours], [], [], 0.1)
        if not ready:
            return True
        try:
            chunk = os.read(self._ours, 1 << 16)
        except OSError:  # nobody has the other side open any more
            return False
        self.shown += chunk.decode(errors="replace")
        return bool(chunk)
