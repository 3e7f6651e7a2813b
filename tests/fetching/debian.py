"""Programs of Debian's packages, fetched by apt, which checks them, and unpacked: not installed, started by nobody."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.fetching import FOLDER, Unavailable

_REDIS = ("redis-tools", "libatomic1", "libjemalloc2", "liblzf1")


class Program(NamedTuple):
    """A program, and the variables that it needs to find its libraries."""

    path: Path
    environ: Mapping[str, str]


def promtool() -> Program:
    """What Prometheus checks its rules with: the system's, or that of the package. Raises `Unavailable`."""
    if found := shutil.which("promtool"):
        return Program(Path(found), {})
    return Program(_unpacked("prometheus") / "usr/bin/promtool", {})


def redis() -> Program:
    """A redis-server that speaks TLS, as Debian builds it. The program is in the package of the tools, which knows what
    it is to do by the name that it is called by. Raises `Unavailable`."""
    root = _unpacked(*_REDIS)
    server = root / "usr/bin/redis-server"
    with suppress(FileExistsError):
        server.symlink_to("redis-check-rdb")
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
    program = Program(server, {**os.environ, "LD_LIBRARY_PATH": libraries})
    done = subprocess.run([server, "--version"], env=program.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"the redis-server of {_REDIS[0]} does not run here: {done.stderr.strip()[-200:]}")
    return program


def _unpacked(*packages: str) -> Path:
    """A folder with what is in the packages."""
    target = FOLDER / packages[0]
    if target.exists():
        return target
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        try:
            _run("apt-get", "-o", "Acquire::Retries=3", "download", "--quiet", *packages, folder=scratch)
            for package in Path(scratch).glob("*.deb"):
                _run("dpkg", "-x", package.name, "root", folder=scratch)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"apt cannot fetch {packages[0]}") from error
        if not target.exists():
            Path(scratch, "root").rename(target)
    return target


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
