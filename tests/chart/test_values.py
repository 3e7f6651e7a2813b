"""The values themselves: they can be read in ten minutes, and a block says only what is different from the defaults."""

from collections.abc import Iterator
from typing import cast

import pytest
import yaml

from shared.messages import StageName
from tests.chart import helm, values_table
from tests.chart.helm import Manifest, container, manifests, of_kind

LINES = 300
"""What `values.yaml` may have."""


def test_each_value_says_what_it_is_for() -> None:
    """Each key has a comment. Of `resources` the group has one; what a stage has of its own the defaults explain."""
    meanings = {row.path: row.meaning for row in values_table.rows()}
    bare = {path for path, meaning in meanings.items() if not meaning}
    assert len(meanings.keys() - bare) > 120
    grouped = {path for path in bare if meanings.get(path.rpartition(".")[0]) and ".resources." in path}
    assert {path for path in bare - grouped if not path.startswith("stages.")} == set()
    assert {f"stages.{name}" for name in StageName} <= meanings.keys() - bare


def test_the_values_are_a_short_read() -> None:
    """They keep within their length, comments and all, and every key is a row of the README's table."""
    text = (helm.CHART / "values.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES

    rows = {row.path for row in values_table.rows() if row.default}
    leaves = set(_leaves(yaml.safe_load(text), ""))
    assert {leaf for leaf in leaves for row in rows if f"{leaf}.".startswith(f"{row}.")} == leaves


def _leaves(block: Manifest, path: str) -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, dict) and value:
            yield from _leaves(cast("Manifest", value), f"{path}{key}.")
        else:
            yield f"{path}{key}"


def _pod(workload: Manifest) -> Manifest:
    return workload["spec"]["template"]["spec"]


def test_defaults_of_pods_reach_all_of_them() -> None:
    """What `podDefaults` says holds for gateway, stages and the bundled Redis."""
    options = ("--set", "podDefaults.priorityClassName=high", "--set", "podDefaults.podAnnotations.team=speech")
    found = manifests("default", *options, "--set", "podDefaults.nodeSelector.pool=mesh")
    workloads = [*of_kind("Deployment", found).values(), *of_kind("StatefulSet", found).values()]
    assert len(workloads) == 6
    for workload in workloads:
        assert _pod(workload)["priorityClassName"] == "high"
        assert _pod(workload)["nodeSelector"] == {"kubernetes.io/arch": "amd64", "pool": "mesh"}
        assert workload["spec"]["template"]["metadata"]["annotations"]["team"] == "speech"


@pytest.mark.parametrize("own", ["gateway", "stages.asr", "redis.bundled"])
def test_a_block_goes_over_the_defaults(own: str) -> None:
    """Its own value counts, an empty one too, and for nobody else."""
    toleration = '[{"key":"dedicated","operator":"Exists"}]'
    options = ("--set-json", f"podDefaults.tolerations={toleration}", "--set-json", f"{own}.tolerations=[]")
    found = manifests("default", *options, "--set", f"{own}.priorityClassName=own")
    name = {"redis.bundled": "redis"}.get(own, own.rpartition(".")[2])
    for component, workload in (of_kind("Deployment", found) | of_kind("StatefulSet", found)).items():
        assert ("tolerations" in _pod(workload)) == (component != name)
        assert _pod(workload).get("priorityClassName") == ("own" if component == name else None)


def test_a_stage_goes_over_both_defaults() -> None:
    """`stages.*` counts before `stageDefaults`, and that before `podDefaults`: of a block each key by itself."""
    given = {"podDefaults.probes.timeoutSeconds": 7, "stageDefaults.probes.livenessSeconds": 20}
    given |= {"stages.nlp.probes.livenessSeconds": 30}
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    found = of_kind("Deployment", manifests("default", *options, "--set", "stageDefaults.spreadOver={zone}"))
    asked = {name: container(each)["livenessProbe"] for name, each in found.items()}
    assert {name: probe["timeoutSeconds"] for name, probe in asked.items()} == dict.fromkeys(found, 7)
    assert {name: probe["periodSeconds"] for name, probe in asked.items()} == (
        dict.fromkeys(found, 20) | {"gateway": 10, "nlp": 30}
    )
    assert [each["topologyKey"] for each in _pod(found["nlp"])["topologySpreadConstraints"]] == ["zone"]
    assert len(_pod(found["gateway"])["topologySpreadConstraints"]) == 2


@pytest.mark.parametrize(
    ("sleep", "shutdown", "drain", "gateway", "stage"), [(5, 8, 60, 28, 90), (20, 30, 0.5, 65, 31)]
)
def test_grace_follows_from_what_a_pod_does_at_its_end(
    sleep: int, shutdown: int, drain: float, gateway: int, stage: int
) -> None:
    """Nobody has to add up seconds: a pod has what its own steps take and some more."""
    options = ("--set", f"gateway.preStopSeconds={sleep},gateway.shutdownSeconds={shutdown}")
    found = of_kind("Deployment", manifests("default", *options, "--set-json", f"stageDefaults.drainSeconds={drain}"))
    seconds = {name: _pod(each)["terminationGracePeriodSeconds"] for name, each in found.items()}
    assert seconds == dict.fromkeys(found, stage) | {"gateway": gateway}
