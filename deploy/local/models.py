"""`voxmesh models`: the model pack on this machine."""

from collections.abc import Sequence
from pathlib import Path

from deploy.local.terminal import tell
from shared.manifest import MODELS, PACK
from shared.models import Presence, listing, verify
from shared.pull import pull


def pull_models(folder: Path, names: Sequence[str]) -> int:
    """Fetch the named models, or the pack that the embedded engines need."""
    pull(folder, names or PACK, report=tell)
    return 0


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
