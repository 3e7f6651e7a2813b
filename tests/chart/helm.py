"""The chart as helm renders it. What has been rendered once in a process is not rendered again."""

import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from tests.chart import tools

CHART = Path(__file__).parents[2] / "deploy/k8s/voxmesh"
Manifest = dict[str, Any]

VALUES: Mapping[str, tuple[str, ...]] = {
    "default": (),
    "staging": ("values-staging.yaml",),
    "production": ("values-production.yaml",),
    **{path.name.removesuffix("-values.yaml"): (f"ci/{path.name}",) for path in sorted((CHART / "ci").glob("*.yaml"))},
}
"""Each set of values that comes with the chart."""


class Refused(Exception):
    """Helm's reason not to render."""


def run(*arguments: str, version: str = "4.1.4") -> str:
    """What helm prints. Raises `Refused` with what it says when it fails. Reads nothing of the user's own set-up."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tools.FOLDER / "home")}
    command = [str(tools.helm(version)), *arguments]
    done = subprocess.run(command, cwd=CHART, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


@functools.cache
def text(values: str = "default", *options: str, version: str = "4.1.4", name: str = "demo", kube: str = "1.35") -> str:
    """The chart with one of `VALUES` and further `options`, in a namespace of the release's name."""
    files = [argument for file in VALUES[values] for argument in ("-f", file)]
    return run("template", name, ".", "-n", name, "--kube-version", kube, *files, *options, version=version)


@functools.cache
def manifests(values: str = "default", *options: str, name: str = "demo", kube: str = "1.35") -> list[Manifest]:
    """The same as objects, which all callers share: copy what you change."""
    # As `safe_load_all`, and ten times as fast.
    rendered = yaml.load_all(text(values, *options, name=name, kube=kube), yaml.CSafeLoader)
    return [cast("Manifest", document) for document in rendered if document]


def of_kind(kind: str, found: list[Manifest]) -> dict[str, Manifest]:
    """Those of a kind, by the component that they are for."""
    return {
        manifest["metadata"]["labels"]["app.kubernetes.io/component"]: manifest
        for manifest in found
        if manifest["kind"] == kind
    }


def container(manifest: Manifest) -> Manifest:
    """The one container of a workload."""
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    return cast("Manifest", only)


def environment(manifest: Manifest) -> dict[str, Any]:
    """Its variables: values as they are, references as what they refer to."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(manifest).get("env", [])}


@functools.cache
def notes(values: str = "default") -> str:
    """What helm tells whoever has installed the chart."""
    files = [argument for file in VALUES[values] for argument in ("-f", file)]
    said = run("install", "demo", ".", "-n", "demo", "--dry-run=client", *files)
    return said.partition("\nNOTES:\n")[2]
