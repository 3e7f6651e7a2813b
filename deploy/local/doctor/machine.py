"""What this machine has: Python, packages, models, room, a free address."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from deploy.local.doctor.finding import Finding
from deploy.local.home import default_home
from deploy.local.port import check_port
from shared.errors import SettingsError
from shared.inference import processors
from shared.models.manifest import PACK
from shared.models.store import Presence, listing, verify
from shared.settings import BaseSettings

MEMORY_BYTES = 4 << 30
"""What the five services take together with the embedded engines, with room to work."""
DISK_BYTES = 2 << 30
TEMPORARY_BYTES = 1 << 30
"""For what is uploaded, while it is looked at."""


def python() -> Finding:
    running = sys.version.split()[0]
    remedy = None if (3, 11) <= sys.version_info < (3, 14) else "use Python 3.11 to 3.13"
    return Finding("python", f"{running}, {sys.executable}", remedy)


def packages() -> Iterator[Finding]:
    wanted = [Requirement(line) for line in requires("voxmesh") or ()]
    faults = [fault for requirement in wanted if (fault := _fault(requirement))]
    if faults:
        yield Finding("packages", "; ".join(faults), "make install")
    else:
        yield Finding("packages", f"{len(wanted)} in order")


def _fault(requirement: Requirement) -> str | None:
    """What is wrong with an installed package; a requirement of an extra that does not apply is no fault."""
    extras = ("service", "gateway", "asr", "translate", "nlp", "insights", "client", "cli", "local")
    marker = requirement.marker
    if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
        return None
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if installed not in requirement.specifier:
        return f"{requirement.name} is {installed}, not {requirement.specifier}"
    return None


def models(folder: Path) -> Iterator[Finding]:
    """Of the model pack every byte is read."""
    present = {listed.model.name: listed.presence for listed in listing(folder)}
    lacking = [name for name in PACK if present.get(name) is not Presence.READY]
    damaged = [name for name in PACK if name not in lacking and verify(folder, name)]
    if lacking:
        yield Finding("models", f"{', '.join(lacking)} not in {folder}", "voxmesh models pull")
    if damaged:
        state = f"{', '.join(damaged)} in {folder} is damaged"
        yield Finding("models", state, f"voxmesh models pull {' '.join(damaged)}")
    if not (lacking or damaged):
        yield Finding("models", f"{len(PACK)} in {folder.expanduser()}, each byte as it should be")


def address(environ: Mapping[str, str]) -> Finding:
    host, port = environ.get("HOST") or "127.0.0.1", environ.get("PORT") or "8000"
    try:
        check_port(host, int(port))
    except (ValueError, SettingsError) as error:
        return Finding("address", f"{host}:{port} is not free", str(error))
    return Finding("address", f"{host}:{port} is free")


def disks(environ: Mapping[str, str], settings: BaseSettings) -> Iterator[Finding]:
    """Room where a mesh writes: its state, recordings, models, and what is temporary."""
    home = default_home(environ)
    places = {"state": (home, DISK_BYTES, "VOXMESH_HOME")}
    if environ.get("BLOB_URL", "").startswith("file://"):
        places["recordings"] = (Path(unquote(urlsplit(environ["BLOB_URL"]).path)), DISK_BYTES, "BLOB_URL")
    places["models"] = (settings.models_dir.expanduser(), 0, "MODELS_DIR")
    places["temporary"] = (Path(tempfile.gettempdir()), TEMPORARY_BYTES, "TMPDIR")
    for name, (folder, wanted, variable) in places.items():
        yield from _disk(name, folder, wanted, variable)


def _disk(name: str, folder: Path, wanted: int, variable: str) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        if wanted:  # models need not be written
            yield Finding(name, f"{folder} cannot be written", f"choose another folder with {variable}")
        return
    free = shutil.disk_usage(there).free
    remedy = f"make room, or choose another folder with {variable}" if free < wanted else None
    yield Finding("disk", f"{_gib(free)} free in {there} for {_WHAT[name]}", remedy)


_WHAT = {"state": "Redis and logs", "recordings": "recordings", "models": "models", "temporary": "uploads"}


def processors_and_memory() -> Iterator[Finding]:
    """What there is to compute with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding("memory", _gib(memory), "take a larger machine" if memory < MEMORY_BYTES else None)
    yield Finding("processors", f"{processors.available()} for this process")


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
