"""What is wrong with a set of manifests: their form, what an API server would refuse besides, and what pods promise.

`faults` answers a line for each fault. What the checks of a pod are is in `pods.py`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chart import pods, schemas
from tests.chart.helm import Manifest

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def faults(manifests: Sequence[Manifest], kubernetes: str = "1.35") -> list[str]:
    """All that is wrong, each line with the manifest that it is about in front."""
    found: list[str] = []
    for manifest in manifests:
        who = f"{manifest['kind']}/{manifest['metadata']['name']}"
        found += [f"{who}: {fault}" for fault in schemas.faults(manifest, kubernetes)]
        found += [f"{who}: {fault}" for fault in _names(manifest)]
        if pod := pods.of(manifest):
            found += [f"{who}: {fault}" for fault in pods.faults(pod)]
    return [*found, *_twice(manifests), *_scaling(manifests), *_selection(manifests), *_references(manifests)]


def _names(manifest: Manifest) -> Iterator[str]:
    name = manifest["metadata"]["name"]
    longest = 54 if manifest["kind"] == "ScaledObject" else 63  # KEDA puts keda-hpa- in front of it
    if not _NAME.fullmatch(name) or len(name) > longest:
        yield f"its name has {len(name)} characters, or others than it may have"
    template = manifest.get("spec", {}).get("template", {}).get("metadata", {})
    for labels in (manifest["metadata"].get("labels", {}), template.get("labels", {})):
        for key, value in labels.items():
            if len(value) > 63 or not _LABEL.fullmatch(value):
                yield f"label {key}: {value}"


def _twice(manifests: Sequence[Manifest]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for manifest in manifests:
        identity = manifest["kind"], manifest["metadata"]["name"]
        if identity in seen:
            yield f"{identity} is there twice"
        seen.add(identity)


def _scaling(manifests: Sequence[Manifest]) -> Iterator[str]:
    deployments = {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == "Deployment"}
    scaled: set[str] = set()
    for manifest in manifests:
        if manifest["kind"] not in _AUTOSCALERS:
            continue
        spec, target = manifest["spec"], manifest["spec"]["scaleTargetRef"]["name"]
        low, high = (spec.get(f"{end}Replica{'Count' if 'triggers' in spec else 's'}") for end in ("min", "max"))
        if low > high:
            yield f"{target}: from {low} to {high} replicas"
        if target in scaled:
            yield f"{target}: two autoscalers"
        if target not in deployments:
            yield f"{target}: scaled, and not there"
        elif "replicas" in deployments[target]["spec"]:
            yield f"{target}: has replicas beside an autoscaler, and each upgrade would reset them"
        scaled.add(target)


def _selection(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Services, budgets and policies find pods, and the ports that they name."""
    found = [pod for manifest in manifests if (pod := pods.of(manifest))]
    for manifest in manifests:
        who, spec = f"{manifest['kind']}/{manifest['metadata']['name']}", manifest.get("spec", {})
        selector = _selector(manifest["kind"], spec)
        if not selector:
            continue
        hit = [pod for pod in found if selector.items() <= pod.labels.items()]
        if not hit:
            yield f"{who}: no pod has {selector}"
        ports = {port["name"] for pod in hit for container in pod.containers for port in container.get("ports", [])}
        named: list[Any] = []
        if manifest["kind"] == "Service":
            named = [port["targetPort"] for port in spec["ports"]]
        if manifest["kind"] == "NetworkPolicy":
            named = [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        yield from (f"{who}: no container has the port {name}" for name in named if name not in ports)


def _selector(kind: str, spec: Manifest) -> dict[str, str] | None:
    if kind == "Service":
        return spec.get("selector")
    return spec.get("podSelector" if kind == "NetworkPolicy" else "selector", {}).get("matchLabels")


def _references(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What is named and would be made by the chart is made by it."""
    there = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    release = next((manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] == "Service"), "")
    for manifest in manifests:
        who, wanted = f"{manifest['kind']}/{manifest['metadata']['name']}", list[tuple[str, str]]()
        if pod := pods.of(manifest):
            claims = [volume.get("persistentVolumeClaim", {}).get("claimName", "") for volume in pod.volumes]
            wanted += [("PersistentVolumeClaim", claim) for claim in claims if claim.startswith(release.split("-")[0])]
        for trigger in manifest.get("spec", {}).get("triggers", []):
            if "authenticationRef" in trigger:
                wanted.append(("TriggerAuthentication", trigger["authenticationRef"]["name"]))
        for rule in manifest.get("spec", {}).get("rules", []):
            wanted += [("Service", backend["name"]) for backend in rule.get("backendRefs", [])]
        yield from (f"{who}: there is no {kind} {name}" for kind, name in wanted if (kind, name) not in there)
