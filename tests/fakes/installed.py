"""voxmesh as `pip install voxmesh[EXTRA]` leaves it: the wheel and what that extra asks for, and no other package."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.local_mesh import ROOT


class Installed:
    """A folder of packages, of which the names and versions are those of this machine. `asked_for` are those that the
    wheel itself names."""

    def __init__(self, folder: Path, extra: str) -> None:
        folder.mkdir()
        self.site = folder / "site"
        self.site.mkdir()
        self.packages: set[str] = set()
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.site)
        (info,) = self.site.glob("*.dist-info")
        package = Distribution.at(info)
        self.asked_for = {canonicalize_name(requirement.name) for requirement in _wanted(package, {extra})}
        self._add(package, {extra})

    def python(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A Python that has these packages, the standard library and nothing else."""
        return subprocess.run(
            self.command(*arguments),
            env={"PATH": os.environ["PATH"], "HOME": str(self.site.parent), **(environ or {})},
            cwd=self.site.parent,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def command(self, *arguments: str) -> Sequence[str]:
        """The command line of that Python: `module argument …`."""
        start = f"import runpy, sys; sys.path.append({str(self.site)!r}); sys.argv[:] = sys.argv[1:]; "
        start += "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
        return [sys.executable, "-I", "-S", "-c", start, *arguments]

    def _add(self, package: Distribution, extras: set[str]) -> None:
        for requirement in _wanted(package, extras):
            name = canonicalize_name(requirement.name)
            if name == "voxmesh":
                self._add(package, set(requirement.extras))
            elif name not in self.packages:
                self.packages.add(name)
                found = distribution(requirement.name)
                self._link(found)
                self._add(found, set(requirement.extras))

    def _link(self, package: Distribution) -> None:
        for top in {file.parts[0] for file in package.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            target = self.site / top
            if not target.exists():
                target.symlink_to(Path(str(package.locate_file(top))))


def _wanted(package: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, package.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield requirement
