"""What charts are known to do wrong, each case by its id. More of them are in the tests of processes and of KEDA."""

import json
import re
from pathlib import Path

import pytest

from services.gateway.settings import Settings as Gateway
from shared.settings import load
from tests.chart import helm, tools
from tests.chart.helm import Manifest, container, environment, manifests, of_kind
from tests.chart.machine import Cluster, Process
from tests.conftest import free_port

GRACE_SECONDS = 10
"""What a worker may take beyond its drain."""


@pytest.mark.parametrize("version", tools.HELM)
@pytest.mark.parametrize("size", [104_857_600, 2**40, 1_048_576])
def test_k02_large_numbers_keep_their_digits(size: int, version: str, tmp_path: Path) -> None:
    """Values from YAML, JSON and the command line reach services and annotations digit by digit; so does a tag that
    looks like a number."""
    values = {
        "image": {"tag": "6e10"},
        "gateway": {"maxUploadBytes": size, "config": {"TOMBSTONE_SECONDS": size}},
        "redis": {"bundled": {"maxmemoryBytes": 1_073_741_824}},
    }
    (tmp_path / "values.json").write_text(json.dumps(values), encoding="utf-8")
    ingress = ("--set", "gateway.ingress.enabled=true", "--set", "gateway.ingress.hosts={a.example.com}")
    number = ("--set-json", f"gateway.maxUploadBytes={size}", "--set", "config.TASK_TTL_SECONDS=2097152")
    text = helm.run("template", "demo", ".", "-f", str(tmp_path / "values.json"), *ingress, *number, version=version)
    assert not re.search(r"[0-9]e\+?[0-9]", text.replace("6e10", ""))
    assert 'image: "voxmesh-asr:6e10"' in text
    assert text.count(f'"{size}"') == 2
    assert '"2097152"' in text
    assert '"1073741824"' in text


@pytest.mark.parametrize("values", helm.VALUES)
def test_k03_pods_have_time_to_hand_over(values: str) -> None:
    """The grace period of each pod is longer than what it does when it is told to stop, and pods go one at a time."""
    found = manifests(values)
    for name, deployment in of_kind("Deployment", found).items():
        given, spec = environment(deployment), deployment["spec"]["template"]["spec"]
        if name == "gateway":
            sleep = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert spec["terminationGracePeriodSeconds"] > sleep + int(given["SHUTDOWN_SECONDS"]) + 2
        else:
            assert spec["terminationGracePeriodSeconds"] >= float(given["DRAIN_SECONDS"]) + GRACE_SECONDS
    for behaviour in _behaviours(found):
        assert behaviour["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


@pytest.mark.parametrize("values", helm.VALUES)
def test_k07_probes_fit_the_loading_of_models(values: str) -> None:
    """A worker has ten minutes to load; ready is asked of Redis and models, alive of neither."""
    for name, deployment in of_kind("Deployment", manifests(values)).items():
        only = container(deployment)
        startup = only["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= (120 if name == "gateway" else 600)
        assert startup["httpGet"]["path"] == ("/health/live" if name == "gateway" else "/health/started")
        assert only["readinessProbe"]["httpGet"]["path"] == "/health/ready"
        assert only["livenessProbe"]["httpGet"]["path"] == "/health/live"


def test_k08_an_upgrade_leaves_the_replicas_to_the_autoscaler() -> None:
    """`replicas` is there without an autoscaler, and only then."""
    for scaling, there in (("none", True), ("hpa", False), ("keda", False)):
        options = [f"stageDefaults.autoscaling.type={scaling}", f"gateway.autoscaling.type={scaling}"]
        options += [
            "gateway.autoscaling.prometheusAddress=http://prometheus",
            "stageDefaults.autoscaling.minReplicas=1",
        ]
        found = manifests("default", *(argument for option in options for argument in ("--set", option)))
        assert {"replicas" in each["spec"] for each in of_kind("Deployment", found).values()} == {there}


@pytest.mark.parametrize("values", ["staging", "production", "sentinel", "processors"])
def test_k09_replicas_go_slowly(values: str) -> None:
    """Less has to be enough for five minutes before a pod goes; more starts at once; the last stays for a while."""
    found = manifests(values)
    assert _behaviours(found)
    for behaviour in _behaviours(found):
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
    for name, scaler in of_kind("ScaledObject", found).items():
        assert name == "gateway" or scaler["spec"]["cooldownPeriod"] >= 300


@pytest.mark.parametrize("values", helm.VALUES)
def test_k10_tasks_wait_for_longer_than_a_node_takes(values: str) -> None:
    """A task waits for an hour at least; a new node with its driver, image and models takes up to half of one."""
    for deployment in of_kind("Deployment", manifests(values)).values():
        assert load(Gateway, {**_texts(deployment), "SPOOL_DIR": "/tmp"}).wait_limit_seconds >= 3600  # noqa: S108


@pytest.mark.parametrize("values", helm.VALUES)
def test_k11_nothing_needs_a_writable_root_or_a_model_hub(values: str) -> None:
    """What is written lies in volumes, libraries ask no hub, and models that an image brings are not mounted over."""
    for name, deployment in of_kind("Deployment", manifests(values)).items():
        given, mounts = environment(deployment), {mount["mountPath"] for mount in container(deployment)["volumeMounts"]}
        assert {"/tmp"} <= mounts  # noqa: S108 - the container's
        assert given["HOME"] == "/tmp"  # noqa: S108
        if name != "gateway":
            assert (given["HF_HUB_OFFLINE"], given["TRANSFORMERS_OFFLINE"]) == ("1", "1")
            assert (given["MODELS_DIR"] in mounts) == (values != "processors" and name != "translate")


def test_k11_a_missing_model_is_one_clear_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker without its model ends with status 3 and says which one and what to do."""
    deployment = of_kind("Deployment", manifests("default", "--set", "stages.asr.config.ASR_ENGINE=light"))["asr"]
    process = Process(deployment, Cluster(folder=tmp_path, redis_port=free_port(), models=tmp_path))
    assert process.wait() == 3
    said = [line for line in capfd.readouterr().err.splitlines() if "cannot start" in line]
    assert len(said) == 1
    assert "whisper-base" in said[0]
    assert "voxmesh models pull" in said[0]


@pytest.mark.parametrize("size", [1_048_576, 104_857_600, 2_147_483_648])
def test_k12_the_ingress_lets_in_what_the_gateway_takes(size: int) -> None:
    """The proxy's limit is the gateway's own and room for the form around the file: what is too large is refused by
    the gateway, which says so in JSON."""
    ingress = ("--set", "gateway.ingress.enabled=true", "--set", "gateway.ingress.hosts={a.example.com}")
    found = manifests("default", *ingress, "--set", f"gateway.maxUploadBytes={size}")
    annotations = of_kind("Ingress", found)["gateway"]["metadata"]["annotations"]
    ours = int(environment(of_kind("Deployment", found)["gateway"])["MAX_UPLOAD_BYTES"])
    assert ours == size
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-body-size"]) == ours + 2**20
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600


def _texts(deployment: Manifest) -> dict[str, str]:
    """Variables but those of files, which are in a cluster alone."""
    return {name: text for name, text in environment(deployment).items() if not name.endswith("_FILE")}


def _behaviours(found: list[Manifest]) -> list[Manifest]:
    scalers = of_kind("ScaledObject", found).values()
    return [
        *(each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] for each in scalers),
        *(each["spec"]["behavior"] for each in of_kind("HorizontalPodAutoscaler", found).values()),
    ]
