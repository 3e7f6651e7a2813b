"""What a command says to the person who runs it, and how that person stops it."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any


def tell(line: str) -> None:
    """A line for the person; standard output is for results alone."""
    print(line, file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """The text with nothing in it that a terminal would obey: names of files and words of servers are foreign."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def run(command: Coroutine[Any, Any, int], *, stopped: int) -> int:
    """The exit status of `command`. Ctrl-C, SIGTERM or a closed terminal cancel it: it cleans up, the status is
    `stopped`. A second one cuts the cleaning up short."""

    async def cancellable() -> int:
        task = asyncio.current_task()
        assert task is not None, "asyncio.run has made one"
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
        try:
            return await command
        except asyncio.CancelledError:
            return stopped

    return asyncio.run(cancellable())
