"""What holds for each set of values: secrets, environments, and that what is switched off is not there."""

import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import helm
from tests.chart.helm import container, environment, manifests, of_kind

SWITCHES = {
    "serviceAccount.create": "ServiceAccount",
    "gateway.ingress.enabled": "Ingress",
    "gateway.httpRoute.enabled": "HTTPRoute",
    "networkPolicy.enabled": "NetworkPolicy",
}
"""What each makes; all are off in `OFF`."""
OFF = (
    *(option for switch in SWITCHES for option in ("--set", f"{switch}=false")),
    *("--set", "gateway.autoscaling.type=none", "--set", "stageDefaults.autoscaling.type=none"),
    *("--set", "gateway.podDisruptionBudget.enabled=false", "--set", "stageDefaults.podDisruptionBudget.enabled=false"),
    *("--set", "stages.asr.autoscaling.type=none"),
)
KINDS_OFF = {
    *SWITCHES.values(),
    "HorizontalPodAutoscaler",
    "ScaledObject",
    "TriggerAuthentication",
    "PodDisruptionBudget",
}


@pytest.mark.parametrize("values", helm.VALUES)
def test_what_is_off_is_not_there(values: str) -> None:
    """Each switch off renders none of its kind, and what is left is whole."""
    kinds = {manifest["kind"] for manifest in manifests(values, *OFF)}
    assert not kinds & KINDS_OFF
    assert {"Deployment", "Service"} <= kinds


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_makes_its_kind(switch: str) -> None:
    """On, it renders what it is named for."""
    needed = {
        "gateway.ingress.enabled": ("--set", "gateway.ingress.hosts={a.example.com}"),
        "gateway.httpRoute.enabled": ("--set", "gateway.httpRoute.parentRefs[0].name=public"),
    }
    found = manifests("default", "--set", f"{switch}=true", *needed.get(switch, ()))
    assert SWITCHES[switch] in {manifest["kind"] for manifest in found}


def test_a_stage_that_is_off_leaves_nothing() -> None:
    """No workload, scaler, budget or policy of it."""
    found = manifests("staging", "--set", "stages.insights.enabled=false")
    assert "insights" not in {manifest["metadata"]["labels"]["app.kubernetes.io/component"] for manifest in found}


@pytest.mark.parametrize("values", helm.VALUES)
def test_secrets_come_by_reference_only(values: str) -> None:
    """The chart makes no Secret, and none is in an environment: each is a mounted file for the pod's group to read."""
    found = manifests(values)
    assert not of_kind("Secret", found)
    for deployment in of_kind("Deployment", found).values():
        for name, value in environment(deployment).items():
            assert isinstance(value, str), name
            if re.search("PASSWORD|SECRET|_KEY|HEADERS", name):
                assert name.endswith("_FILE")
                assert value.startswith("/etc/voxmesh/secrets/")
        pod = deployment["spec"]["template"]["spec"]
        for volume in pod["volumes"]:
            if volume["name"] == "secrets":
                assert volume["projected"]["defaultMode"] == 0o440
                assert {"name": "secrets", "mountPath": "/etc/voxmesh/secrets", "readOnly": True} in container(
                    deployment
                )["volumeMounts"]
    assert "secretKeyRef" not in helm.text(values)


def test_no_secret_value_can_leak() -> None:
    """There is no value into which a password could be written; those that look like one are refused."""
    schema: dict[str, Any] = yaml.safe_load((helm.CHART / "values.schema.json").read_text(encoding="utf-8"))
    found: list[str] = []

    def walk(block: dict[str, Any], path: str) -> None:
        for name, inner in block.get("properties", {}).items():
            walk(inner, f"{path}.{name}")
            if (
                re.search(r"password|secret|token|apikey|accesskey", name.replace("_", "").lower())
                and inner.get("type") == "string"
            ):
                found.append(f"{path}.{name}")

    walk(schema, "")
    assert found
    assert all(re.search(r"(Secret|Key)$", path) for path in found), found
    with pytest.raises(helm.Refused, match="is a secret"):
        manifests("default", "--set", "extraEnv[0].name=OPENAI_API_KEY", "--set", "extraEnv[0].value=sk-0123")


def test_staging_is_small_and_its_own() -> None:
    """Staging renders no graphics card, no host or bucket of production, a Redis of its own, and sleeps when idle."""
    text = helm.text("staging")
    production = yaml.safe_load((helm.CHART / "values-production.yaml").read_text(encoding="utf-8"))
    strange = [production["redis"]["host"], production["blobStore"]["url"], *production["gateway"]["ingress"]["hosts"]]
    assert not [word for word in (*strange, "nvidia", "cuda", "example.com") if word in text]
    found = manifests("staging")
    assert {environment(each)["REDIS_HOST"] for each in of_kind("Deployment", found).values()} == {"demo-voxmesh-redis"}
    scalers = of_kind("ScaledObject", found)
    assert {each["spec"]["minReplicaCount"] for each in scalers.values()} == {0}
    assert max(each["spec"]["maxReplicaCount"] for each in scalers.values()) <= 2


def test_production_has_what_it_promises() -> None:
    """Recognition on a card, Redis by TLS and password, recordings in a bucket, keys asked for, everything scaled."""
    found = of_kind("Deployment", manifests("production"))
    asr, gateway = found["asr"], found["gateway"]
    assert container(asr)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container(asr)["image"].endswith("-cuda")
    assert not [name for name in found if "replicas" in found[name]["spec"]]
    assert environment(gateway)["REDIS_TLS"] == "true"
    assert environment(gateway)["BLOB_URL"].startswith("s3://")
    assert environment(gateway)["API_KEYS_FILE"]


def test_two_environments_do_not_meet() -> None:
    """Two releases in one cluster have no name or selector in common; the Redis of each lets nobody else in."""
    found = {name: manifests("staging", name=name) for name in ("amber", "blue")}
    for name, other in (("amber", "blue"), ("blue", "amber")):
        text = helm.text("staging", name=name)
        assert other not in text
        (policy,) = [
            each
            for each in found[name]
            if each["kind"] == "NetworkPolicy" and each["metadata"]["name"].endswith("-redis")
        ]
        (rule,) = policy["spec"]["ingress"]
        pods, keda = rule["from"]
        assert pods["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == name
        assert "namespaceSelector" not in pods, "only this namespace"
        assert keda["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "keda"}


def test_the_gateway_alone_goes_to_the_internet() -> None:
    """Recordings by URL and webhooks need public addresses, none near by; without them nothing leads out."""
    for values, there in ((("default",), True), (("default", "--set", "networkPolicy.internet=false"), False)):
        policies = of_kind("NetworkPolicy", manifests(*values))
        outside = {name for name, policy in policies.items() if "ipBlock" in str(policy["spec"]["egress"])}
        assert outside == ({"gateway"} if there else set())
    assert "10.0.0.0/8" in str(of_kind("NetworkPolicy", manifests())["gateway"]["spec"]["egress"])


def test_every_service_is_told_where_traces_go() -> None:
    """And reaches the collector there, with its headers from a Secret; without an endpoint nobody is told anything."""
    for name, deployment in of_kind("Deployment", manifests("monitored")).items():
        told = environment(deployment)
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector.observability:4318"
        assert told["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
        assert told["OTEL_EXPORTER_OTLP_HEADERS_FILE"] == "/etc/voxmesh/secrets/OTEL_EXPORTER_OTLP_HEADERS"
        policy = of_kind("NetworkPolicy", manifests("monitored"))[name]
        assert any({"port": 4318} in rule["ports"] for rule in policy["spec"]["egress"])
    for deployment in of_kind("Deployment", manifests()).values():
        assert not any(name.startswith("OTEL_") for name in environment(deployment))


def test_only_who_reads_recordings_reaches_them() -> None:
    """Stages that work on text have neither the volume nor the keys of the bucket."""
    for values in ("default", "production"):
        for name, deployment in of_kind("Deployment", manifests(values)).items():
            reads = name in {"gateway", "asr"}
            volumes = [volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]]
            assert ("AWS_SECRET_ACCESS_KEY_FILE" in environment(deployment)) == (reads and values == "production")
            assert ("data" in volumes) == (name == "gateway" or (name == "asr" and values == "default"))


ONE_NODE: Mapping[tuple[str, ...], set[str]] = {
    ("default",): {"gateway", "asr"},
    ("processors",): set(),
    ("production",): set(),
    ("production", "--set", "modelCache.accessMode=ReadWriteOnce"): {"asr", "nlp", "insights"},
    ("sentinel", "--set", "modelCache.accessMode=ReadWriteOnce"): {"asr", "nlp", "insights"},
    ("default", "--set", "modelCache.type=pvc,modelCache.accessMode=ReadWriteOnce"): {
        *("gateway", "asr", "nlp", "insights"),
    },
}
"""Values, and who shares a volume that one node at a time may have."""


@pytest.mark.parametrize("values", ONE_NODE, ids=" ".join)
def test_a_volume_for_one_node_keeps_its_users_together(values: tuple[str, ...]) -> None:
    """Who shares a volume that can be on one node only goes to one node, all by one label, and nobody else. They
    alone have no budget: on a node that is drained they would wait for successors that have to come to them."""
    found = of_kind("Deployment", manifests(*values))
    assert of_kind("PodDisruptionBudget", manifests(*values)).keys() == found.keys() - ONE_NODE[values]
    for name, deployment in found.items():
        template = deployment["spec"]["template"]
        together = template["spec"].get("affinity", {}).get("podAffinity", {})
        assert bool(together) == (name in ONE_NODE[values])
        if together:
            (term,) = together["requiredDuringSchedulingIgnoredDuringExecution"]
            assert term["topologyKey"] == "kubernetes.io/hostname"
            assert term["labelSelector"]["matchLabels"] == {"voxmesh.io/one-node": "demo-voxmesh"}
            assert template["metadata"]["labels"]["voxmesh.io/one-node"] == "demo-voxmesh"


def test_a_new_version_of_the_chart_restarts_nothing(tmp_path: Path) -> None:
    """What is new in the chart alone changes no pod, the Redis least of all: its version is in no label of theirs."""
    shutil.copytree(helm.CHART, tmp_path / "chart")
    description = tmp_path / "chart/Chart.yaml"
    description.write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", description.read_text(encoding="utf-8")))
    rendered = helm.run("template", "demo", str(tmp_path / "chart"), "-n", "demo", "--kube-version", "1.35")
    assert "voxmesh-9.9.9" in rendered
    newer = [document for document in yaml.safe_load_all(rendered) if document]
    for kind in ("Deployment", "StatefulSet"):
        older = of_kind(kind, manifests())
        assert older
        for name, workload in of_kind(kind, newer).items():
            assert workload["spec"] == older[name]["spec"]


def test_claims_that_are_kept_outlive_the_release() -> None:
    """Each claim that the chart makes goes with the release, unless its values say otherwise."""
    places = {"redis": "redis.bundled.persistence", "blobs": "blobStore.volume", "models": "modelCache"}
    for kept in (False, True):
        options = [part for place in places.values() for part in ("--set", f"{place}.keep={str(kept).lower()}")]
        claims = of_kind("PersistentVolumeClaim", manifests("default", "--set", "modelCache.type=pvc", *options))
        assert claims.keys() == places.keys()
        for claim in claims.values():
            annotations = claim["metadata"].get("annotations", {})
            assert annotations == ({"helm.sh/resource-policy": "keep"} if kept else {})


def test_pods_go_to_machines_that_can_run_them() -> None:
    """Images of x86-64 go to no other node of a mixed cluster, whatever else their pods ask for of one."""
    options = ("--set", "stageDefaults.nodeSelector.disk=ssd", "--set-json", 'gateway.tolerations=[{"key":"own"}]')
    found = manifests("staging", *options)
    for name, deployment in of_kind("Deployment", found).items():
        wanted = {"kubernetes.io/arch": "amd64", **({} if name == "gateway" else {"disk": "ssd"})}
        assert deployment["spec"]["template"]["spec"]["nodeSelector"] == wanted
    (test,) = of_kind("Pod", found).values()
    assert test["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}, "it runs the gateway's image"
    assert test["spec"]["tolerations"] == [{"key": "own"}]


@pytest.mark.parametrize("values", helm.VALUES)
def test_an_upgrade_waits_for_as_long_as_a_start_may_take(values: str) -> None:
    """A rollout is not given up while startup probes have not failed, and a node and models may come before these."""
    for name, deployment in of_kind("Deployment", manifests(values)).items():
        probe = container(deployment)["startupProbe"]
        startup = probe["periodSeconds"] * probe["failureThreshold"]
        deadline = deployment["spec"].get("progressDeadlineSeconds", 600)  # Kubernetes' own
        assert deadline >= startup + (0 if name == "gateway" else 1200)


def test_upgrades_leave_selectors_alone() -> None:
    """Selectors cannot be changed in a cluster: nothing that differs from one version to the next is in them."""
    for deployment in of_kind("Deployment", manifests()).values():
        assert deployment["spec"]["selector"]["matchLabels"].keys() == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


def test_the_chart_can_be_packed(tmp_path: Path) -> None:
    """`helm package` leaves no template out."""
    helm.run("package", ".", "--destination", str(tmp_path))
    with tarfile.open(tmp_path / "voxmesh-0.1.0.tgz") as packed:
        names = set(packed.getnames())
    for path in (helm.CHART / "templates").rglob("*.*"):
        assert f"voxmesh/{path.relative_to(helm.CHART)}" in names
