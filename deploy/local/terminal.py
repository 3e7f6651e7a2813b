"""What a command says to the person who runs it, and how that person stops it."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TextIO


def tell(line: str) -> None:
    """A line for the person; standard output is for results alone."""
    with unattended(sys.stderr):
        print(line, file=sys.stderr, flush=True)


@contextmanager
def unattended(stream: TextIO) -> Generator[None]:
    """That the terminal behind `stream` has been closed is no error: what is written in the block goes nowhere then."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        forsake(stream)


def forsake(stream: TextIO) -> None:
    """Nobody reads there any more. What is left for `stream` goes nowhere, or the interpreter complains as it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def plain(text: str) -> str:
    """The text with nothing in it that a terminal would obey: names of files and words of servers are foreign."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def run(command: Coroutine[Any, Any, int], *, stopped: int) -> int:
    """The exit status of `command`. Ctrl-C, SIGTERM or a closed terminal cancel it: it cleans up, the status is
    `stopped`. A second one cuts the cleaning up short. Under nohup, a closed terminal is none of its affairs."""

    async def cancellable() -> int:
        task = asyncio.current_task()
        assert task is not None, "asyncio.run has made one"
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        for signum in signals:
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
        try:
            return await command
        except asyncio.CancelledError:
            return stopped

    return asyncio.run(cancellable())
