"""The containers of rendered Deployments as processes on this machine: their arguments, variables, ports and probes.

What a cluster would give them is given here: a volume is a folder, a Secret a file, the Service of Redis a
server on loopback. A path outside of all volumes is an error, since the root of a container cannot be written.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.chart.helm import Manifest, container, environment
from tests.conftest import free_port, wait_until
from tests.mesh import ROOT

_PATHS = ("HOME", "MODELS_DIR", "SPOOL_DIR", "BLOB_URL")
"""Besides those that name a file."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """What containers find around them."""

    folder: Path
    """Where volumes lie. One of the same claim is the same folder for all."""
    redis_port: int
    models: Path
    secrets: Mapping[str, str] = {}
    """By `name/key`; what a ConfigMap holds as well."""
    fakes: Sequence[str] = ()
    """Stages whose engine is a fake; all else of the process is theirs."""
    variables: Mapping[str, str] = {}
    """For the fakes."""


class Process:
    """One container that runs. `ports` are those on loopback by their names."""

    def __init__(self, deployment: Manifest, cluster: Cluster) -> None:
        self.name = str(container(deployment)["name"])
        self.grace_seconds = int(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
        self.ports = {port["name"]: free_port() for port in container(deployment)["ports"]}
        self._probes = {kind: container(deployment)[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
        self.environ = environ_of(deployment, cluster, self.ports)
        command = [sys.executable, "-P", "-m", "deploy.local.cli", *container(deployment)["args"][1:]]
        if self.name in cluster.fakes:
            command = [sys.executable, "-m", "tests.fakes.worker", self.name]
        self._process = subprocess.Popen(command, env=self.environ, cwd=cluster.folder)

    def url(self, path: str, port: str = "http") -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    async def answers(self, probe: str) -> bool:
        """Whether its `startup`, `readiness` or `liveness` probe succeeds, asked as the manifest says."""
        asked = self._probes[probe]["httpGet"]
        async with httpx.AsyncClient(timeout=self._probes[probe]["timeoutSeconds"]) as client:
            try:
                return (await client.get(self.url(asked["path"], asked["port"]))).status_code == 200
            except httpx.TransportError:
                return False

    async def until_ready(self) -> None:
        """All three probes succeed, startup within the time that it has."""
        startup = self._probes["startup"]
        seconds = startup["periodSeconds"] * startup["failureThreshold"]
        for probe in self._probes:

            async def succeeds(probe: str = probe) -> bool:
                assert self._process.poll() is None, f"{self.name} has ended"
                return await self.answers(probe)

            await wait_until(succeeds, description=f"{self.name}'s {probe} probe succeeds", seconds=seconds)

    def terminate(self) -> None:
        """As the kubelet does at the end of a pod."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status; fails when it is not there within the grace period."""
        return self._process.wait(self.grace_seconds)

    def kill(self) -> None:
        """At the end of a test."""
        self._process.kill()
        self._process.wait()


def environ_of(deployment: Manifest, cluster: Cluster, ports: Mapping[str, int]) -> dict[str, str]:
    """The container's variables, with its places where they are here. Nothing of our own environment is in them."""
    mounts = _mounted(deployment, cluster)
    found = {**_variables(environment(deployment), mounts), **cluster.variables}
    return found | {
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(cluster.redis_port),
        **({"PORT": str(ports["http"])} if "http" in ports else {"HEALTH_PORT": str(ports["health"])}),
    }


def initialise(deployment: Manifest, cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """Its init container, to the end."""
    (init,) = deployment["spec"]["template"]["spec"]["initContainers"]
    given = {entry["name"]: entry["value"] for entry in init["env"]}
    command = [sys.executable, "-P", "-m", "deploy.local.cli", *init["args"][1:]]
    environ = {**_variables(given, _mounted(deployment, cluster, init)), **cluster.variables}
    return subprocess.run(command, env=environ, cwd=cluster.folder, capture_output=True, text=True, check=False)


def _variables(given: Mapping[str, str], mounts: Mapping[str, Path]) -> dict[str, str]:
    found = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    for name, text in given.items():
        local = name in _PATHS or name.endswith("_FILE")
        found[name] = _here(text, mounts) if local and not text.startswith("s3:") else text
    return found


def _mounted(deployment: Manifest, cluster: Cluster, of: Manifest | None = None) -> dict[str, Path]:
    """The folder of each mount of the container, or of another one `of` its pod."""
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    found: dict[str, Path] = {}
    for mount in (of or container(deployment))["volumeMounts"]:
        volume = volumes[mount["name"]]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        folder = cluster.folder / (claim or f"{deployment['metadata']['name']}-{mount['name']}")
        folder.mkdir(exist_ok=True)
        for place, path in _files(volume, cluster):
            (folder / path).write_text(f"{cluster.secrets[place]}\n")
        found[mount["mountPath"]] = cluster.models if mount["name"] == "models" else folder
    return found


def _files(volume: Mapping[str, Any], cluster: Cluster) -> Iterator[tuple[str, str]]:
    """What a volume takes from Secrets and ConfigMaps: from where, and the name of its file."""
    for source in volume.get("projected", {}).get("sources", []):
        yield from ((f"{source['secret']['name']}/{item['key']}", item["path"]) for item in source["secret"]["items"])
    if name := volume.get("configMap", {}).get("name"):
        yield from ((place, place.partition("/")[2]) for place in cluster.secrets if place.startswith(f"{name}/"))


def _here(text: str, mounts: Mapping[str, Path]) -> str:
    scheme, path = ("file://", text.removeprefix("file://")) if text.startswith("file://") else ("", text)
    if path == "/models" and path not in mounts:  # the stage has none, and does not look there
        return text
    for mount, folder in sorted(mounts.items(), key=lambda item: -len(item[0])):
        if path == mount or path.startswith(f"{mount}/"):
            return f"{scheme}{folder}{path.removeprefix(mount)}"
    raise AssertionError(f"{text} is in no volume, and cannot be written")
