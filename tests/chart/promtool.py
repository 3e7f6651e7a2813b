"""promtool, which comes with Debian's package of Prometheus: unpacked beside helm, installed nowhere."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.fetching import FOLDER, Unavailable


def promtool() -> Path:
    """The program: the system's, or one fetched by apt, which checks what it fetches. Raises `Unavailable`."""
    if found := shutil.which("promtool"):
        return Path(found)
    target = FOLDER / "promtool"
    return target if target.exists() else _fetched(target)


def _fetched(target: Path) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        try:
            _run("apt-get", "-o", "Acquire::Retries=3", "download", "--quiet", "prometheus", folder=scratch)
            _run("dpkg", "-x", *(path.name for path in Path(scratch).glob("prometheus_*.deb")), "root", folder=scratch)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable("promtool is not installed, and apt cannot fetch it (package prometheus)") from error
        Path(scratch, "root/usr/bin/promtool").rename(target)
    return target


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
