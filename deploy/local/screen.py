"""Shows a stream to a person: a line for each event, a progress bar below them where the output is a terminal."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from shared.client import Update
from shared.messages import Entity, Insights, Result, Step, TranscriptPart, TranslationPart

_STYLES = {
    Step.COMPLETED: "bold green",
    Step.FAILED: "bold red",
    Step.CANCELLED: "bold yellow",
    Step.EXPIRED: "bold red",
}
_PART_STYLE = "cyan"
TOPICS = 5
"""How many of the topics are shown, the best first; the result has them all."""


class Screen:
    """A context manager; hand each event of the stream to `show`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=100)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Update) -> None:
        """Print the event; the result in full when it is the last."""
        self._progress.update(self._bar, completed=event.progress, description=event.message)
        self._print(_row(event))
        for warning in event.warnings:
            self._print(Text(f"{'':30} {warning.message}", style="yellow"))
        if event.error:
            self._print(Text(f"{'':30} {event.error.code}", style="red"))
        if isinstance(result := event.partial, Result):
            self._progress.stop()
            for part in _report(result):
                self._console.print()
                self._console.print(part)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _row(event: Update) -> Text:
    style = _STYLES.get(event.step, "bold" if event.step.endswith("_complete") else "")
    row = Text.assemble((f"{event.progress:3d} % ", "green"), (f"{event.step:24}", style))
    match event.partial:
        case TranscriptPart(segment=segment):
            return row.append(f"{_clock(segment.start)} {segment.text}", style=_PART_STYLE)
        case TranslationPart(segment=segment):
            return row.append(f"{_clock(segment.start)} {segment.translation or ''}", style=_PART_STYLE)
        case _:
            return row.append(event.message, style="dim")


def _report(result: Result) -> Iterable[Text | Table]:
    """The result, section by section; what was not asked for or not found is left out."""
    yield _section("Transcript", result.transcript or "(no speech)")
    if result.translation:
        yield _section(f"Translation ({result.target_language})", result.translation)
    if result.entities:
        yield _table("Entities", _entity_rows(result.entities))
    if result.topics:
        yield _table("Topics", [(f"{topic.score:.2f}", topic.label) for topic in result.topics[:TOPICS]])
    if result.summary:
        yield _section("Summary", result.summary)
    if result.insights:
        yield _table("Insights", _insight_rows(result.insights))


def _entity_rows(entities: Sequence[Entity]) -> Iterable[tuple[str, str]]:
    by_label: dict[str, list[str]] = {}
    for entity in entities:
        texts = by_label.setdefault(entity.label, [])
        if entity.text not in texts:
            texts.append(entity.text)
    return [(label, ", ".join(texts)) for label, texts in sorted(by_label.items())]


def _insight_rows(insights: Insights) -> Sequence[tuple[str, str]]:
    rows = [("question", question.text) for question in insights.questions]
    for action in insights.action_items:
        when = action.due_date or action.due
        marks = ", ".join(mark for mark in (action.who, when) if mark)
        rows.append(("to do", f"{action.text} [{marks}]" if marks else action.text))
    if insights.key_phrases:
        rows.append(("key phrases", ", ".join(phrase.text for phrase in insights.key_phrases)))
    if insights.sentiment:
        rows.append(("sentiment", f"{insights.sentiment.label} ({insights.sentiment.score:+.2f})"))
    rows.append(("pace", f"{insights.words_per_minute:.0f} words per minute"))
    return rows


def _section(title: str, body: str) -> Text:
    return Text.assemble((title, "bold"), "\n", body)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    table.add_column(style=_PART_STYLE, no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):02d}:{rest:04.1f}"
