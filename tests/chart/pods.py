"""What is wrong with a pod: what an API server would refuse though its schema allows it, what Pod Security's restricted
profile forbids, and what breaks a promise of ours."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from tests.chart.helm import Manifest

_SUFFIXES = {"m": 0.001, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_VOLUMES = {"emptyDir", "persistentVolumeClaim", "secret", "configMap", "projected"}
_HANDLERS = {"httpGet", "exec", "tcpSocket", "grpc"}
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class Pod(NamedTuple):
    """A pod, or the template of one."""

    labels: dict[str, str]
    spec: Manifest

    @property
    def containers(self) -> Sequence[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def volumes(self) -> Sequence[Manifest]:
        return self.spec.get("volumes", [])


def of(manifest: Manifest) -> Pod | None:
    """The pod of a workload; None when it is none."""
    if manifest["kind"] == "Pod":
        return Pod(manifest["metadata"].get("labels", {}), manifest["spec"])
    if "template" in manifest.get("spec", {}):
        template = manifest["spec"]["template"]
        return Pod(template["metadata"].get("labels", {}), template["spec"])
    return None


def quantity(text: object) -> float:
    """The number that Kubernetes reads from `1500m` or `2Gi`."""
    digits = str(text).rstrip("mkMGTi")
    return float(digits) * _SUFFIXES[str(text)[len(digits) :]]


def faults(pod: Pod) -> Iterator[str]:
    """A line for each."""
    spec, security = pod.spec, pod.spec.get("securityContext", {})
    if spec.get("automountServiceAccountToken") is not False:
        yield "it has the service account's token"
    if spec.get("enableServiceLinks") is not False:
        yield "variables of Services would mix with its own"
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "it may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    yield from (f"it shares {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in pod.volumes:
        if not _VOLUMES & volume.keys():
            yield f"volume {volume['name']} is of a kind that is not allowed"
    yield from _doubles("volume", (volume["name"] for volume in pod.volumes))
    yield from _doubles("container", (container["name"] for container in pod.containers))
    for container in pod.containers:
        yield from (f"{container['name']}: {fault}" for fault in _container(container, pod))
    mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
    yield from (f"volume {volume['name']} is not used" for volume in pod.volumes if volume["name"] not in mounted)


def _container(container: Manifest, pod: Pod) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("capabilities") != {"drop": ["ALL"]}:
        yield "it may gain privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "its file system can be written"
    name, _, tag = container["image"].rpartition("/")[2].partition(":")
    if not name or tag in {"", "latest"}:
        yield f"image {container['image']} says no version"
    mounts, volumes = container.get("volumeMounts", []), {volume["name"] for volume in pod.volumes}
    yield from (f"there is no volume {mount['name']}" for mount in mounts if mount["name"] not in volumes)
    yield from _doubles("mount", (mount["mountPath"] for mount in mounts))
    yield from _doubles("variable", (entry["name"] for entry in container.get("env", [])))
    yield from _probes(container)
    yield from _resources(container.get("resources", {}))
    sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if sleep >= pod.spec.get("terminationGracePeriodSeconds", 30):
        yield "it would sleep for all of its grace period"


def _probes(container: Manifest) -> Iterator[str]:
    ports = {port["name"] for port in container.get("ports", [])}
    for kind in _PROBES:
        for handler in _HANDLERS & container.get(kind, {}).keys():
            port = container[kind][handler].get("port")
            if isinstance(port, str) and port not in ports:
                yield f"{kind}: there is no port {port}"
    if ports and not {"readinessProbe", "livenessProbe"} <= container.keys():
        yield "nobody asks how it is"


def _resources(resources: Manifest) -> Iterator[str]:
    requests = cast("dict[str, Any]", resources.get("requests", {}))
    limits = cast("dict[str, Any]", resources.get("limits", {}))
    if not {"cpu", "memory"} <= requests.keys() or "memory" not in limits:
        yield "it needs requests of cpu and memory, and a limit of memory"
    for name in requests.keys() & limits.keys():
        if quantity(requests[name]) > quantity(limits[name]):
            yield f"it asks for more {name} than it may have"
    for name in (name for name in {**requests, **limits} if "/" in name):
        if quantity(limits.get(name, 0.5)) % 1 or requests.get(name, limits.get(name)) != limits.get(name):
            yield f"{name}: whole ones, by limit"


def _doubles(what: str, names: Iterable[str]) -> Iterator[str]:
    return (f"{what} {name} is there twice" for name, times in Counter(names).items() if times > 1)
