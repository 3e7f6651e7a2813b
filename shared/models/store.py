"""The models folder: what is in it, and whether that is what it should be. How a model gets there: see `pull`.

A model of the manifest lies in the folder of its name. One of a hub, `owner/name`, lies in `owner--name`, with a
receipt that says from which commit it is and which hash each file has: what the manifest is for the others. A worker
only ever looks; it never brings anything.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import msgspec

from shared.errors import MeshError, ModelMissing
from shared.models.manifest import MODELS, PACK, Model

__all__ = [
    "MODELS",
    "PACK",
    "Listed",
    "Model",
    "Presence",
    "find",
    "known",
    "listing",
    "locate",
    "unloadable",
    "verify",
]

RECEIPT = "voxmesh.json"
"""The file in the folder of a hub's model that describes it, as a `Model`."""

_HUB_NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.-]+))?", re.ASCII)


class Presence(StrEnum):
    """Where a model stands on this machine."""

    READY = "ready"
    INCOMPLETE = "incomplete"
    MISSING = "missing"


class Listed(msgspec.Struct, frozen=True):
    """One line of `voxmesh models list`."""

    model: Model
    presence: Presence
    size: int
    """Bytes in the models folder when ready."""


def hub_name(name: str) -> tuple[str, str | None] | None:
    """Repository and revision of `owner/name` or `owner/name@revision`; None for what is neither."""
    found = _HUB_NAME.fullmatch(name)
    return (found["repo"], found["revision"]) if found else None


def home(models_dir: Path, name: str) -> Path:
    """Where the model `name`, of the manifest or of a hub, has its folder, be it there or not."""
    return models_dir.expanduser() / name.replace("/", "--")


def known(models_dir: Path, *, models: Mapping[str, Model] = MODELS) -> Mapping[str, Model]:
    """The models of the manifest, and those that have come from a hub."""
    receipts = sorted(models_dir.expanduser().glob(f"*--*/{RECEIPT}"))
    brought = [model for receipt in receipts if (model := _receipt(receipt))]
    return {**models, **{model.name: model for model in brought}}


def find(models_dir: Path, name: str, *, variable: str, models: Mapping[str, Model] = MODELS) -> Path:
    """The folder of the model that the setting `variable` names: a path, a name of the manifest, or
    `owner/name[@revision]` of a hub.

    Raises `ModelMissing` saying what is missing and what to do."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name not in models and hub_name(name) is None:
        offered = ", ".join(model.name for model in models.values() if not model.distribution)
        raise ModelMissing(f"{variable}: {name} is no folder, no `owner/name` of a hub, and none of {offered}")
    return locate(models_dir, name, models=models)


def locate(models_dir: Path, name: str, *, models: Mapping[str, Model] = MODELS) -> Path:
    """The folder of the model, all its files there at their right sizes (contents: see `verify`).

    Raises `ModelMissing` saying what is missing and what to do."""
    repo, revision = hub_name(name) or (name, None)
    remedy = f"run `voxmesh models pull {name}`"
    model = known(models_dir, models=models).get(repo)
    if model is None:
        if repo == name and "/" not in name:
            find_model(name, models)
        raise ModelMissing(f"the model {name} is not there in {models_dir.expanduser()}: {remedy}")
    if model.distribution:
        raise ModelMissing(f"the model {name} is a part of the package {model.distribution} and has no folder")
    folder = home(models_dir, repo)
    if revision and model.hub and not model.hub.revision.startswith(revision):
        raise ModelMissing(f"the model {repo} is there in revision {model.hub.revision}, not {revision}: {remedy}")
    wrong = _wrong_sizes(model, folder)
    if wrong:
        state = f"is incomplete ({wrong[0]})" if folder.exists() else "is not there"
        raise ModelMissing(f"the model {name} {state} in {folder.parent}: {remedy}")
    return folder


def unloadable(models_dir: Path, name: str, reason: Exception) -> ModelMissing | None:
    """What to raise when a library cannot load the model because a file of it is damaged. None when all files are
    right, so that the cause must be another. Reads every byte."""
    repo, _ = hub_name(name) or (name, None)
    model = known(models_dir).get(repo)
    faults = faults_of(model, models_dir.expanduser()) if model else ()
    if not faults:
        return None
    missing = ModelMissing(f"the model {repo} is damaged ({faults[0]}): run `voxmesh models pull {name}`")
    missing.__cause__ = reason
    return missing


def listing(models_dir: Path, *, models: Mapping[str, Model] = MODELS) -> Sequence[Listed]:
    """Each model that is known and whether it is there, by the same cheap check as `locate`."""
    return [
        Listed(model, _presence(model, models_dir.expanduser()), sum(file.size for file in model.files))
        for model in known(models_dir, models=models).values()
    ]


def verify(models_dir: Path, name: str, *, models: Mapping[str, Model] = MODELS) -> Sequence[str]:
    """What is wrong with the model on disk, one line per file; empty when all is right. Reads every byte."""
    return faults_of(find_model(name, known(models_dir, models=models)), models_dir.expanduser())


def find_model(name: str, models: Mapping[str, Model]) -> Model:
    """The model of that name. Raises `MeshError` listing the names there are."""
    if name not in models:
        raise MeshError("unknown_model", f"no model is called {name!r}; there are {', '.join(models)}")
    return models[name]


def faults_of(model: Model, models_dir: Path) -> Sequence[str]:
    """What is wrong with `model` in `models_dir`, one line per file."""
    if model.distribution:
        return [] if _installed(model.distribution) else [f"{model.distribution} is not installed"]
    folder = home(models_dir, model.name)
    return _wrong_sizes(model, folder) or [
        f"{file.path} has other contents" for file in model.files if sha256(folder / file.path) != file.sha256
    ]


def sha256(path: Path) -> str:
    """The hash of the file's contents, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receipt(path: Path) -> Model | None:
    """What the receipt says; None when it is damaged, so that the model counts as missing and can be pulled anew."""
    try:
        model = msgspec.json.decode(path.read_bytes(), type=Model)
    except (OSError, msgspec.DecodeError):
        return None
    return model if model.hub and home(path.parent.parent, model.name) == path.parent else None


def _presence(model: Model, models_dir: Path) -> Presence:
    if model.distribution:
        return Presence.READY if _installed(model.distribution) else Presence.MISSING
    folder = home(models_dir, model.name)
    if not folder.exists():
        return Presence.MISSING
    return Presence.INCOMPLETE if _wrong_sizes(model, folder) else Presence.READY


def _installed(distribution: str) -> bool:
    return any(True for _ in metadata.distributions(name=distribution))


def _wrong_sizes(model: Model, folder: Path) -> Sequence[str]:
    wrong: list[str] = []
    for file in model.files:
        try:
            size = (folder / file.path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            wrong.append(f"{file.path} is missing")
            continue
        if size != file.size:
            wrong.append(f"{file.path} has {size} of {file.size} bytes")
    return wrong
