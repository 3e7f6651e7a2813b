"""What is shown while recordings are worked on: lines, or, on a terminal, bars with the latest words below them.

All of it goes to standard error: standard output is for results.
"""

import sys
from types import TracebackType
from typing import Protocol, Self

from deploy.local.terminal import plain, tell
from deploy.local.transcribe.inputs import Recording
from shared.client import Update
from shared.messages import Step


class Display(Protocol):
    """A context manager. What is shown of a recording begins with its first event and ends with `finish`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, recording: Recording) -> None:
        """It is being sent."""
        ...

    def show(self, recording: Recording, update: Update) -> None:
        """An event of its task."""
        ...

    def finish(self, recording: Recording, line: str, *, failed: bool = False) -> None:
        """It has ended, in a way that `line` tells."""
        ...

    def tell(self, line: str) -> None:
        """Something that a person must know."""
        ...


def display_for(total: int, *, quiet: bool) -> Display:
    """The one that fits standard error."""
    if quiet:
        return Lines(quiet=True)
    if sys.stderr.isatty():
        try:
            from deploy.local.transcribe.bars import Bars, console
        except ModuleNotFoundError:  # rich is not a part of every installation
            return Lines()
        if (terminal := console()) is not None:
            return Bars(terminal, total)
    return Lines()


class Lines:
    """A line for each step: nothing that only a terminal understands."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._steps: dict[Recording, Step] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, recording: Recording) -> None:
        self._say(f"{recording.label}: sending it")

    def show(self, recording: Recording, update: Update) -> None:
        if self._steps.get(recording) is not update.step and not update.step.terminal:
            self._steps[recording] = update.step
            self._say(f"{recording.label}: {update.progress:3d} % {plain(update.message)}")

    def finish(self, recording: Recording, line: str, *, failed: bool = False) -> None:
        (tell if failed else self._say)(f"{recording.label}: {line}")

    def tell(self, line: str) -> None:
        tell(line)

    def _say(self, line: str) -> None:
        if not self._quiet:
            tell(line)
