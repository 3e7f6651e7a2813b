"""Progress on a terminal: for each recording a bar, and below it the words that came last."""

import io
import sys
import threading
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from deploy.local.terminal import plain, unattended
from deploy.local.transcribe.inputs import Recording
from deploy.local.transcribe.latest import Latest
from shared.client import Update

_SENTENCES = 4
"""How many of a recording that is alone are shown; of several at a time each has one."""
_NAME = 32
"""Characters of a name that are shown."""


def console() -> Console | None:
    """Standard error, where that is a terminal that can move its cursor."""
    found = Console(file=cast("TextIO", _Screen(sys.stderr)), highlight=False)
    return found if found.is_terminal and not found.is_dumb_terminal else None


class _Screen(io.TextIOBase):
    """A terminal that may be closed while Rich draws on it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._stream.encoding

    def write(self, text: str) -> int:
        with unattended(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with unattended(self._stream):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


class Bars:
    """All of it disappears at the end but for the lines of `finish` and `tell`."""

    def __init__(self, terminal: Console, total: int) -> None:
        self._console = terminal
        self._total = total
        self._ended = 0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", style="dim", markup=False),
            console=terminal,
        )
        self._rows: dict[Recording, tuple[TaskID, Latest]] = {}
        self._lock = threading.Lock()
        """Rich draws on a thread of its own. Nothing is printed while this is held: that waits for who draws."""
        self._live = Live(
            get_renderable=self._picture, console=terminal, refresh_per_second=8, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, recording: Recording) -> None:
        name = recording.label
        short = name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
        with self._lock:
            row = self._progress.add_task(short, total=100, message="Sending it")
            self._rows[recording] = (row, Latest(_SENTENCES if self._total == 1 else 1))

    def show(self, recording: Recording, update: Update) -> None:
        with self._lock:
            row, latest = self._rows[recording]
            latest.take(update)
            self._progress.update(row, completed=update.progress, message=plain(update.message))

    def finish(self, recording: Recording, line: str, *, failed: bool = False) -> None:
        with self._lock:
            self._ended += 1
            row, _ = self._rows.pop(recording)
            self._progress.remove_task(row)
        if failed or self._total > 1:
            self.tell(f"{recording.label}: {line}")

    def tell(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def _picture(self) -> Group:
        parts: list[RenderableType] = []
        with self._lock:
            bars = {task.id: task for task in self._progress.tasks}
            for row, latest in self._rows.values():
                parts.append(self._progress.make_tasks_table([bars[row]]))
                parts += [
                    Text(f"  {sentence}", style="cyan", no_wrap=True, overflow="ellipsis")
                    for sentence in latest.sentences
                ]
            if self._total > 1:
                parts.append(Text(f"{self._ended} of {self._total} recordings have ended", style="dim"))
        return Group(*parts)
