"""Shows snapshots: one, or, on a terminal, one after the other in the same place."""

import asyncio
import sys
from collections.abc import Mapping, Sequence

import msgspec

from deploy.local import exits
from deploy.local.found import key_of, started_mesh
from deploy.local.status.snapshot import Gateway, Snapshot, Stage
from deploy.local.terminal import plain
from shared.errors import MeshUnreachable

_BETWEEN_SECONDS = 1.0
"""Between the two looks that a snapshot takes: rates are differences."""
_UNKNOWN = "?"


async def status(environ: Mapping[str, str], *, url: str, once: bool, as_json: bool, interval_seconds: float) -> int:
    """Show how the mesh at `url`, or the one of this machine, stands. Answers the exit status. Raises
    `MeshUnreachable` when no gateway answers at the start."""
    url = url or started_mesh(environ) or f"http://127.0.0.1:{environ.get('PORT') or 8000}"
    async with Gateway(url, api_key=key_of(environ)) as gateway:
        first = await gateway.look()
        if once or as_json or not sys.stdout.isatty():
            await asyncio.sleep(_BETWEEN_SECONDS)
            snapshot = await gateway.look()
            print(msgspec.json.encode(snapshot).decode() if as_json else "\n".join(lines_of(snapshot)))
            return exits.DONE if snapshot.works else exits.FAILED
        return await _live(gateway, first, interval_seconds)


async def _live(gateway: Gateway, snapshot: Snapshot, interval_seconds: float) -> int:
    """Until it is cancelled."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        away = ""
        while True:
            picture = Text("\n".join(lines_of(snapshot)), no_wrap=True, overflow="ellipsis")
            picture.highlight_regex(r"(?m)^! .*|no worker", "bold red")
            picture.highlight_regex(r"(?m)^stage .*", "bold")
            picture.append(away, "bold red")
            live.update(picture, refresh=True)
            await asyncio.sleep(interval_seconds)
            try:
                snapshot, away = await gateway.look(), ""
            except MeshUnreachable as error:
                away = f"\n! {error.message} The above is from {snapshot.at:%H:%M:%S} UTC."


def lines_of(snapshot: Snapshot) -> Sequence[str]:
    """The snapshot for people."""
    state = "ready" if snapshot.ready else "NOT READY"
    version = f"voxmesh {plain(snapshot.version)}, " if snapshot.version else ""
    rows = [("stage", "workers", "slots", "waiting", "leases", "oldest", "engines"), *map(_row, snapshot.stages)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        f"{snapshot.url}: {version}{state}, {snapshot.at:%Y-%m-%d %H:%M:%S} UTC",
        "",
        *(_laid_out(row, widths) for row in rows),
        "",
        _totals(snapshot),
        *(f"! {plain(line)}" for line in snapshot.trouble),
        *(
            f"! {stage.name}: jobs wait, and no worker is there to take them"
            for stage in snapshot.stages
            if stage.stuck
        ),
    ]


def _laid_out(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, engines = row
    shown = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *shown, engines]).rstrip()


def _row(stage: Stage) -> Sequence[str]:
    engines = "; ".join(map(plain, stage.engines)) or ("no worker" if stage.workers == 0 else _UNKNOWN)
    numbers = (stage.workers, stage.slots, stage.waiting, stage.leases)
    return (stage.name, *(_UNKNOWN if number is None else str(number) for number in numbers), _age(stage), engines)


def _age(stage: Stage) -> str:
    return _UNKNOWN if stage.oldest_seconds is None else f"{stage.oldest_seconds:.0f} s"


def _totals(snapshot: Snapshot) -> str:
    parts = [f"{_UNKNOWN if snapshot.open_streams is None else snapshot.open_streams} open streams"]
    if rates := snapshot.rates:
        parts += [
            f"{rates.tasks_per_minute:.1f} tasks/min in",
            f"{rates.events_per_second:.1f} events/s out",
            f"{rates.refusals_per_minute:.1f} refusals/min",
        ]
    if snapshot.redis_bytes is not None:
        limit = f" of {snapshot.redis_limit_bytes / 1e6:.0f}" if snapshot.redis_limit_bytes else ""
        parts.append(f"Redis {snapshot.redis_bytes / 1e6:.1f}{limit} MB")
    return ", ".join(parts)
