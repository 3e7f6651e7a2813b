"""What helm renders is what Kubernetes takes, for each set of values that comes with the chart."""

import copy
from collections.abc import Callable

import pytest

from tests.chart import helm, tools
from tests.chart.checker import faults
from tests.chart.helm import Manifest, container, manifests, of_kind


@pytest.mark.parametrize("version", tools.HELM)
@pytest.mark.parametrize("values", helm.VALUES)
def test_helm_has_nothing_to_say(values: str, version: str) -> None:
    """`helm lint --strict` finds nothing."""
    helm.run("lint", ".", "--strict", "--quiet", *(f"--values={file}" for file in helm.VALUES[values]), version=version)


@pytest.mark.parametrize("kubernetes", tools.KUBERNETES)
@pytest.mark.parametrize("values", helm.VALUES)
def test_kubernetes_takes_it(values: str, kubernetes: str) -> None:
    """Schemas, Pod Security's restricted profile, and how the manifests refer to each other."""
    assert faults(manifests(values, kube=kubernetes), kubernetes) == []


@pytest.mark.parametrize("values", helm.VALUES)
def test_rendering_is_the_same_each_time(values: str) -> None:
    """Twice, and by both helms."""
    assert helm.text(values) == helm.text.__wrapped__(values) == helm.text(values, version="3.17.3")


def _pod(found: list[Manifest]) -> Manifest:
    return of_kind("Deployment", found)["asr"]["spec"]["template"]["spec"]


BREAKAGES: dict[str, tuple[Callable[[list[Manifest]], object], str]] = {
    "field": (lambda found: found[0]["spec"].update(colour="blue"), "colour"),
    "type": (lambda found: of_kind("Service", found)["gateway"]["spec"]["ports"][0].update(port="http"), "port"),
    "kind": (lambda found: found[0].update(apiVersion="policy/v1beta1"), "has no"),
    "replicas": (lambda found: of_kind("Deployment", found)["asr"]["spec"].update(replicas=2), "would reset them"),
    "trigger": (
        lambda found: of_kind("ScaledObject", found)["nlp"]["spec"]["triggers"][0]["metadata"].update(listLenght="5"),
        "triggers",
    ),
    "target": (
        lambda found: of_kind("ScaledObject", found)["nlp"]["spec"]["scaleTargetRef"].update(name="nobody"),
        "nobody: scaled",
    ),
    "longest": (lambda found: of_kind("ScaledObject", found)["nlp"]["metadata"].update(name="n" * 55), "55 characters"),
    "selector": (
        lambda found: of_kind("Service", found)["gateway"]["spec"]["selector"].update(colour="blue"),
        "no pod has",
    ),
    "token": (lambda found: _pod(found).pop("automountServiceAccountToken"), "token"),
    "root": (lambda found: _pod(found)["securityContext"].update(runAsUser=0), "root"),
    "volume": (lambda found: _pod(found)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "host"),
    "capability": (
        lambda found: _pod(found)["containers"][0]["securityContext"].update(capabilities={"drop": []}),
        "gain privileges",
    ),
    "probe": (
        lambda found: _pod(found)["containers"][0]["livenessProbe"]["httpGet"].update(port="web"),
        "no port web",
    ),
    "mount": (lambda found: _pod(found)["volumes"].clear(), "no volume"),
    "variable": (lambda found: _pod(found)["containers"][0]["env"].append({"name": "HOME"}), "HOME is there twice"),
    "resources": (
        lambda found: _pod(found)["containers"][0]["resources"]["requests"].update(memory="90Gi"),
        "more memory",
    ),
    "latest": (lambda found: _pod(found)["containers"][0].update(image="voxmesh-asr:latest"), "no version"),
    "claim": (
        lambda found: found.remove(of_kind("PersistentVolumeClaim", found)["blobs"]),
        "no PersistentVolumeClaim",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_checker_sees_what_is_broken(breakage: str) -> None:
    """A fault of each kind in manifests that were right is found and named."""
    broken = copy.deepcopy(manifests("staging"))
    destroy, complaint = BREAKAGES[breakage]
    destroy(broken)
    found = faults(broken)
    assert any(complaint in fault for fault in found), found


@pytest.mark.parametrize("values", helm.VALUES)
def test_a_release_name_of_53_characters_works(values: str) -> None:
    """The longest that helm takes, with names that would be cut off in the middle; and two of them do not meet."""
    long = "voxmesh-for-the-department-of-speech-and-hearing-2026"
    assert len(long) == 53
    found, other = manifests(values, name=long), manifests(values, name=long[:-1] + "7")
    assert faults(found) == []
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in found}
    assert not names & {(manifest["kind"], manifest["metadata"]["name"]) for manifest in other}


def test_the_command_is_one_that_there_is() -> None:
    """Each container runs `voxmesh` with arguments that its command line takes, behind the image's own entry point."""
    for name, deployment in of_kind("Deployment", manifests()).items():
        assert "command" not in container(deployment)
        assert container(deployment)["args"] == ["voxmesh", *(["gateway"] if name == "gateway" else ["worker", name])]
