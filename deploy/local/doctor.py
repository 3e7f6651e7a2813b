"""`voxmesh doctor`: what this machine lacks to run the mesh, and what to do about it."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from rich.console import Console
from rich.text import Text

from deploy.local.home import default_home
from deploy.local.port import check_port
from deploy.local.redis_server import binary
from shared import processors
from shared.errors import SettingsError
from shared.fitness import examine
from shared.manifest import PACK
from shared.models import Presence, listing
from shared.redis import AWAY, connected
from shared.settings import BaseSettings, load, names_redis

MEMORY_BYTES = 4 << 30
"""What the five services take together with the embedded engines, with room to work."""
DISK_BYTES = 2 << 30


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, how it is, and, where it is not well, what to do."""

    subject: str
    state: str
    remedy: str | None = None


async def doctor(environ: Mapping[str, str]) -> int:
    """Print the findings. 0 when all is well, 1 when something must be done."""
    console = Console(highlight=False)
    settings = load(BaseSettings, {**environ, "PORT": ""})
    ill = False
    async for finding in _examine(environ, settings):
        ill = ill or finding.remedy is not None
        console.print(_line(finding), soft_wrap=True)
    return int(ill)


def _line(finding: Finding) -> Text:
    mark = ("no ", "bold red") if finding.remedy else ("ok ", "bold green")
    line = Text.assemble(mark, f" {finding.subject:10} {finding.state}")
    return line.append(f"  -> {finding.remedy}", style="yellow") if finding.remedy else line


async def _examine(environ: Mapping[str, str], settings: BaseSettings) -> AsyncIterator[Finding]:
    yield _python()
    for finding in _packages():
        yield finding
    for finding in _models(settings.models_dir):
        yield finding
    for finding in await _redis(environ, settings):
        yield finding
    yield _address(environ)
    for finding in _machine(default_home(environ)):
        yield finding


def _python() -> Finding:
    running = sys.version.split()[0]
    remedy = None if (3, 11) <= sys.version_info < (3, 14) else "use Python 3.11 to 3.13"
    return Finding("python", f"{running}, {sys.executable}", remedy)


def _packages() -> Iterator[Finding]:
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


def _models(folder: Path) -> Iterator[Finding]:
    lacking = [
        listed.model.name
        for listed in listing(folder)
        if listed.model.name in PACK and listed.presence is not Presence.READY
    ]
    if lacking:
        yield Finding("models", f"{', '.join(lacking)} not in {folder}", "voxmesh models pull")
    else:
        yield Finding("models", f"{len(PACK)} in {folder.expanduser()}")


async def _redis(environ: Mapping[str, str], settings: BaseSettings) -> Sequence[Finding]:
    if not names_redis(environ):
        try:
            return [Finding("redis", f"embedded, {binary()}")]
        except SettingsError as error:
            return [Finding("redis", error.message, "make install, or set REDIS_URL")]
    try:
        async with asyncio.timeout(10), connected(settings, name="voxmesh-doctor") as redis:
            await redis.ping()
            found = await examine(redis)
    except SettingsError as error:
        return [Finding("redis", "its address cannot be", error.message)]
    except AWAY as error:
        return [Finding("redis", f"no answer: {error}", "start it (redis-server), or check REDIS_URL")]
    return [Finding("redis", fault.state, fault.remedy) for fault in found] or [Finding("redis", "answers, and fit")]


def _address(environ: Mapping[str, str]) -> Finding:
    host, port = environ.get("HOST") or "127.0.0.1", environ.get("PORT") or "8000"
    try:
        check_port(host, int(port))
    except (ValueError, SettingsError) as error:
        return Finding("address", f"{host}:{port} is not free", str(error))
    return Finding("address", f"{host}:{port} is free")


def _machine(home: Path) -> Iterator[Finding]:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        yield Finding("state", f"{home} cannot be written", "choose another folder with VOXMESH_HOME")
    free = shutil.disk_usage(there).free
    yield Finding("disk", f"{_gib(free)} free in {there}", "make room" if free < DISK_BYTES else None)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding("memory", _gib(memory), "take a larger machine" if memory < MEMORY_BYTES else None)
    yield Finding("processors", f"{processors.available()} for this process")


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
