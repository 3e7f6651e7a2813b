"""`voxmesh models`: the model pack on this machine."""

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.terminal import tell
from shared.models.manifest import MODELS, PACK
from shared.models.pull import discard, pull
from shared.models.store import Presence, listing, verify


def pull_models(folder: Path, names: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch the named models, or the pack that the embedded engines need."""
    pull(folder, names or PACK, report=tell, environ=environ, bar=_bar)
    return 0


@contextmanager
def _bar(name: str, size: int) -> Generator[Callable[[int], None]]:
    """On a terminal, a bar with speed and time left. Elsewhere, and in images, there need not be rich."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=size)
        yield lambda count: shown.advance(task, count)


def discard_models(folder: Path, environ: Mapping[str, str], *, dry_run: bool) -> int:
    """Remove models that neither the embedded engines nor `environ` name, and what interrupted pulls have left."""
    for name, size in discard(folder, {*PACK, *_named(environ)}, dry_run=dry_run):
        tell(f"{name}: {size / 1e6:.0f} MB {'would be ' if dry_run else ''}removed")
    return 0


def _named(environ: Mapping[str, str]) -> Iterator[str]:
    """What the settings name: `ASR_MODEL=owner/name@revision`, `TRANSLATE_MODELS=one,en-de=other`."""
    for variable, value in environ.items():
        if variable.endswith(("_MODEL", "_MODELS")):
            for name in value.split(","):
                yield name.rpartition("=")[2].strip().partition("@")[0]


def list_models(folder: Path) -> int:
    """Print each model and where it stands."""
    for listed in listing(folder):
        model = listed.model
        print(f"{model.name:24} {model.stage or '':10} {listed.presence:10} {model.licence:12} {model.purpose}")
    return 0


def verify_models(folder: Path, names: Sequence[str]) -> int:
    """Read every byte of the named models, or of all that are there. 1 when one is not what it should be."""
    present = [listed.model.name for listed in listing(folder) if listed.presence is not Presence.MISSING]
    faulty = False
    for name in names or [name for name in MODELS if name in present]:
        faults = verify(folder, name)
        faulty = faulty or bool(faults)
        print(f"{name}: {'; '.join(faults) or 'right'}")
    return int(faulty)
