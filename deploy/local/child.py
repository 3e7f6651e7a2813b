"""One process of the mesh: tied to us so that it cannot outlive us, logged to a file, started again when it dies."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Never

import msgspec

from deploy.local import tether
from shared.errors import MeshError

Tell = Callable[[str], None]
"""Takes a line for the person who looks on."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long is held to be well: its next death is the first again."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `stdin` is all that the process gets to read; `parting` is what it gets when we are killed."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    stdin: bytes = b""
    parting: signal.Signals = signal.SIGKILL


class ChildDied(MeshError):
    """A process ended that was needed. `status` is its exit status."""

    def __init__(self, name: str, *, status: int, tail: str) -> None:
        super().__init__("child_died", f"{name} ended with status {status}:\n{tail}")
        self.status = status


class Child:
    """A process of `command`; what it prints goes to `log`."""

    def __init__(self, command: Command, *, log: Path) -> None:
        self.command = command
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int:
        return self._started().pid

    async def start(self) -> None:
        """Start it, as the head of a process group, so that a Ctrl-C in the terminal reaches us alone."""
        command = self.command
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", tether.__file__, str(os.getpid()), str(int(command.parting))),
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=command.environ,
                start_new_session=True,
            )
        await self._feed(command.stdin)

    async def ended(self) -> int:
        """Wait for its end. Answers the exit status."""
        return await self._started().wait()

    async def died(self, tell: Tell) -> int:
        """Wait for its death. Answers the exit status, which is not 0: one that has ended in good order, as a worker
        does after `RECYCLE_AFTER_JOBS`, is started anew at once."""
        while (status := await self.ended()) == 0:
            tell(f"{self.name} has ended in good order; starting it anew")
            await self.start()
        return status

    async def keep(self, tell: Tell) -> Never:
        """Start it again each time it ends: at once, or when it has died after a pause that doubles."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            begun = time.monotonic()
            status = await self.died(tell)
            if time.monotonic() - begun > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            tell(f"{self.name} ended with status {status} (see {self.log}); starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            await self.start()

    async def stop(self, *, seconds: float) -> None:
        """Ask it to end, and kill it after `seconds`. Afterwards nothing of its group is left."""
        process = self._process
        if process is None:
            return
        try:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            text = log.read().decode(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])

    async def _feed(self, data: bytes) -> None:
        stdin = self._started().stdin
        assert stdin is not None, "it was started with a pipe"
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is seen by whoever waits for it
            stdin.write(data)
            await stdin.drain()
        stdin.close()

    def _started(self) -> asyncio.subprocess.Process:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process
