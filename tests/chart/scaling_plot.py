"""The plot in docs/scaling.md: `python -m tests.chart.scaling_plot` draws it.

A panel for each day of real arrivals: what KEDA asked for, by the minute, above the jobs that it saw.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chart import scaling
from tests.chart.helm import manifests, of_kind

FILE = Path(__file__).parents[2] / "docs/scaling.svg"
LOAD = scaling.Load(work=80, concurrency=8, start=300)
"""A recording of ten minutes, transcribed in 80 s, on a node that has to be fetched first."""
HOURS = 24
_WIDTH, _HEIGHT, _LEFT, _GAP = 720, 120, 46, 58
_AXES = "stroke='#999' stroke-width='1' fill='none'"


def simulate() -> dict[str, scaling.Run]:
    """The recognisers of the production values, on each day."""
    policy = scaling.policy(of_kind("ScaledObject", manifests("production"))["asr"])
    return {
        name: scaling.Stage(policy, LOAD).until(HOURS * 3600, arrivals) for name, arrivals in scaling.days().items()
    }


def drawing() -> str:
    """The whole file."""
    lines: list[str] = []
    top = 40
    for name, run in simulate().items():
        for title, values in ((f"{name}: jobs, waiting and in hand", run.jobs), ("replicas", run.replicas)):
            lines += _panel(title, values, top)
            top += _HEIGHT + _GAP
    size = f"viewBox='0 0 {_WIDTH + _LEFT + 14} {top - 20}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif' font-size='11' fill='#444'>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='#fff'/>", *lines, "</svg>", ""])


def _panel(title: str, values: Sequence[int], top: int) -> Iterator[str]:
    most, bottom = max(values), top + _HEIGHT
    yield f"<text x='{_LEFT}' y='{top - 8}' font-size='12'>{title}</text>"
    yield f"<path d='M{_LEFT} {top}V{bottom}H{_LEFT + _WIDTH}' {_AXES}/>"
    for number in sorted({0, most // 2, most}):
        yield f"<text x='{_LEFT - 6}' y='{bottom - _HEIGHT * number // most + 4}' text-anchor='end'>{number}</text>"
    for hour in range(0, HOURS + 1, 4):
        yield f"<text x='{_LEFT + _WIDTH * hour // HOURS}' y='{bottom + 15}' text-anchor='middle'>{hour}:00</text>"
    steps = "".join(_steps(values, bottom, most))
    yield f"<path d='M{_LEFT} {bottom}{steps}' stroke='#1f6fb2' stroke-width='1.4' fill='none'/>"


def _steps(values: Sequence[int], bottom: int, most: int) -> Iterator[str]:
    """Only where something changes: the file is read by people, too."""
    last = 0
    for minute, value in enumerate(values):
        if value != last:
            yield f"H{_LEFT + _WIDTH * minute / len(values):g}V{bottom - _HEIGHT * value / most:g}"
            last = value
    yield f"H{_LEFT + _WIDTH}"


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
