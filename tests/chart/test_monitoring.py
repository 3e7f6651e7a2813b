"""What operators look at and what wakes them names metrics that there are, and fires when it should."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shared.messages import StageName
from shared.settings import BaseSettings
from tests.chart.alarms import ALARMS, QUIET
from tests.chart.helm import CHART, Manifest, manifests, notes, of_kind
from tests.conftest import free_port, wait_until
from tests.fetching import Unavailable, debian, leave_out
from tests.mesh import gateway_process, worker_process

RUNBOOKS = CHART.parents[2] / "docs/runbooks"
OF_PROMETHEUS = {"namespace", "release", "pod"}
"""Labels that a scrape of the operator adds."""
Rules = list[dict[str, Any]]


def the(kind: str, *options: str) -> Manifest:
    """The one manifest of a kind that the chart makes where it is monitored."""
    (found,) = (each for each in manifests("monitored", *options) if each["kind"] == kind)
    return found


def rules() -> Rules:
    """The alerts."""
    (group,) = the("PrometheusRule")["spec"]["groups"]
    return cast("Rules", group["rules"])


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard."""
    (board,) = (each for each in manifests("monitored") if each["metadata"]["name"].endswith("-dashboard"))
    return cast("list[dict[str, Any]]", json.loads(board["data"]["voxmesh.json"])["panels"])


def names(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names: with us, each has a selector behind it."""
    return {asked.metric for asked in questions(expression)}


class Question(NamedTuple):
    """A metric, the labels by which it is chosen, with the values that may be, and those by which it is added up."""

    metric: str
    chosen: Mapping[str, set[str]]
    kept: set[str]


def questions(expression: str) -> Iterator[Question]:
    """What an expression asks for. A label of Prometheus' own is none of ours."""
    for found in re.finditer(r"(?:by \(([^)]*)\) \((?:\w+\()*)?\b([a-z_]\w*)\s*\{([^}]*)\}", expression):
        matchers = re.findall(r'(\w+)\s*(?:=~|=)\s*"([^"]*)"', found[3])
        chosen = {label: set(values.split("|")) for label, values in matchers if label not in OF_PROMETHEUS}
        yield Question(found[2], chosen, set(re.findall(r"\w+", found[1] or "")) - OF_PROMETHEUS)


def asked_for() -> Iterator[tuple[str, str]]:
    """Each expression of the rules, the dashboard and the scalers, and the words that go with it."""
    yield from ((rule["expr"], str(rule["annotations"])) for rule in rules())
    for panel in panels():
        yield from ((target["expr"], target.get("legendFormat", "")) for target in panel["targets"])
    scaler = of_kind("ScaledObject", manifests("sentinel"))["gateway"]["spec"]["triggers"][0]
    yield scaler["metadata"]["query"], ""
    autoscaler = of_kind("HorizontalPodAutoscaler", manifests("processors"))["gateway"]["spec"]["metrics"][0]
    yield f"{autoscaler['pods']['metric']['name']}{{}}", ""


Scrape = dict[str, list[Mapping[str, str]]]
"""By metric, the labels of each of its series."""


async def scraped(*ports: int) -> Scrape:
    """What services give, all together."""
    found: Scrape = {}
    async with httpx.AsyncClient(trust_env=False) as client:
        for port in ports:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    found.setdefault(sample.name, []).append(sample.labels)
    return found


async def until_answers(port: int) -> None:
    """Returns when a service listens."""

    async def answers() -> bool:
        try:
            return bool(await scraped(port))
        except httpx.TransportError:
            return False

    await wait_until(answers, description="the service answers", seconds=30)


async def test_each_metric_is_scraped_from_what_runs(settings: BaseSettings) -> None:
    """What rules, dashboard and scalers ask for is in a scrape of a gateway and a worker that have just begun: metrics,
    the labels by which they are chosen, with their values, and those that are kept and shown. The one metric without
    a label that is known beforehand, refusals by code, is there once something was refused."""
    ports = free_port(), free_port()
    with (
        gateway_process(settings, port=ports[0]),
        worker_process(StageName.ASR, settings, {"HEALTH_PORT": str(ports[1])}),
    ):
        for port in ports:
            await until_answers(port)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(f"http://127.0.0.1:{ports[0]}/audio/tasks")
        found = await scraped(*ports)
    assert len({name for expression, _ in asked_for() for name in names(expression)}) > 20
    for expression, words in asked_for():
        shown = set(re.findall(r"\{\{ ?(?:\$labels\.)?([a-z]\w*) ?\}\}", words)) - OF_PROMETHEUS
        for metric, chosen, kept in questions(expression):
            assert metric in found, expression
            for label in kept | chosen.keys():
                assert all(label in labels for labels in found[metric]), f"{label} in {expression}"
            for label, values in chosen.items():
                assert values <= {labels[label] for labels in found[metric]}, f"{values} in {expression}"
            assert shown <= kept, f"{words} of {expression}"


FORMS: Mapping[str, list[Question]] = {
    "max(a{})": [Question("a", {}, set())],
    'sum by (stage, le) (rate(a_b{state=~"x|y", pod="p"}[5m]))': [
        Question("a_b", {"state": {"x", "y"}}, {"stage", "le"}),
    ],
    'a{x="1"} / on (x) max by (x) (b{})': [Question("a", {"x": {"1"}}, set()), Question("b", {}, {"x"})],
}
"""How rules and dashboard ask."""


@pytest.mark.parametrize("expression", FORMS)
def test_expressions_are_understood(expression: str) -> None:
    """Metric, choice and what is kept are read from each form."""
    assert list(questions(expression)) == FORMS[expression]


def test_each_alert_has_a_page() -> None:
    """Each alert leads to a page of its own that begins with its name, and there is no page without an alert. What
    pages and summaries name as metrics and values is there."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md")}
    linked = {rule["annotations"]["runbook_url"].rpartition("/")[2]: rule["alert"] for rule in rules()}
    assert linked == {name: text.splitlines()[0].removeprefix("# ") for name, text in pages.items()}
    asked = {name for panel in panels() for target in panel["targets"] for name in names(target["expr"])}
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for text in pages.values():
        assert set(re.findall(r"voxmesh_[a-z_]+", text)) <= asked
        for key in re.findall(r"`((?:monitoring|networkPolicy|redis)\.[\w.]+)`", text):
            _look(values, key)
        assert {"## Look", "kubectl"} <= set(re.findall(r"^## Look|kubectl", text, re.MULTILINE))


def _look(values: Mapping[str, Any], key: str) -> None:
    place: Any = values
    for part in key.split("."):
        place = place[part]


def test_alerts_are_of_one_release() -> None:
    """Two releases in one cluster do not raise each other's alarms: each selector names namespace and release, and what
    is scraped is given that label."""
    for rule in rules():
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors
        assert all('namespace="demo", release="demo"' in selector for selector in selectors), rule["alert"]
    for endpoint in (
        *the("PodMonitor")["spec"]["podMetricsEndpoints"],
        *the("ServiceMonitor")["spec"]["endpoints"],
    ):
        assert {"targetLabel": "release", "replacement": "demo"} in endpoint["relabelings"]


def test_monitors_find_a_port_of_each_service() -> None:
    """The port that a monitor names is one of the pods, or of the Service, of each service."""
    found = manifests("monitored")
    worker_ports = {
        port["name"]
        for each in found
        if each["kind"] == "Deployment" and each["metadata"]["labels"]["app.kubernetes.io/component"] in set(StageName)
        for port in each["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    assert worker_ports == {endpoint["port"] for endpoint in the("PodMonitor")["spec"]["podMetricsEndpoints"]}
    service = next(each for each in found if each["kind"] == "Service" and each["metadata"]["name"].endswith("gateway"))
    (endpoint,) = the("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    selector = the("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("toggle", "kinds"),
    [
        ("monitoring.monitors.enabled", {"PodMonitor", "ServiceMonitor"}),
        ("monitoring.alerts.enabled", {"PrometheusRule"}),
        ("monitoring.dashboard.enabled", {"ConfigMap"}),
        ("tests.enabled", {"Pod"}),
    ],
)
def test_what_is_off_is_not_there(toggle: str, kinds: set[str]) -> None:
    """Each toggle takes its kinds away and no other."""
    there = {each["kind"] for each in manifests("monitored")}
    left = {each["kind"] for each in manifests("monitored", "--set", f"{toggle}=false")}
    assert there - left == kinds


def test_the_dashboard_can_be_read() -> None:
    """Each panel has a title, says what it shows, and asks for the chosen release; none lies over another."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
        for target in panel["targets"]:
            selectors = re.findall(r"\{([^}]*)\}", target["expr"])
            assert all('namespace="$namespace", release="$release"' in selector for selector in selectors)


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """promtool."""
    try:
        return debian.promtool().path
    except Unavailable as error:
        leave_out(error)


def checked(program: Path, *arguments: str) -> str:
    """What promtool says; fails when it finds fault."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_rules_and_dashboard(prometheus: Path, tmp_path: Path) -> None:
    """Prometheus can read each rule, and each expression of the dashboard as if it were one."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    board = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    groups = [*the("PrometheusRule")["spec"]["groups"], {"name": "dashboard", "rules": board}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    assert "SUCCESS" in checked(prometheus, "check", "rules", str(tmp_path / "rules.yaml"))


def test_each_alert_fires(prometheus: Path, tmp_path: Path) -> None:
    """Each alert fires with the right words on what it is for, and none of them while the mesh is well."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": the("PrometheusRule")["spec"]["groups"]}))
    assert {rule["alert"] for rule in rules()} == ALARMS.keys()
    cases: list[dict[str, Any]] = []
    for name, (series, at, summary) in ALARMS.items():
        (rule,) = (each for each in rules() if each["alert"] == name)
        labels = dict(re.findall(r'(namespace|stage|fault)="(\w+)"', str(series)))
        labels = {key: value for key, value in labels.items() if key != "namespace"}
        if name == "VoxmeshGatewayAbsent":
            labels["namespace"] = "demo"
        expected = {
            "exp_labels": labels | rule["labels"],
            "exp_annotations": rule["annotations"] | {"summary": summary},
        }
        asked = {"eval_time": at, "alertname": name, "exp_alerts": [expected]}
        cases.append({"interval": "1m", "input_series": series, "alert_rule_test": [asked]})
    quiet = [{"eval_time": f"{at}m", "alertname": name} for name in ALARMS for at in range(0, 40, 3)]
    cases.append({"interval": "1m", "input_series": QUIET, "alert_rule_test": quiet})
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": cases}))
    checked(prometheus, "test", "rules", str(tmp_path / "tests.yaml"))


def test_notes_tell_the_next_commands() -> None:
    """After an installation three commands are told, which name the release and the way in that it has."""
    for values, way in (
        ("default", "port-forward svc/demo-voxmesh-gateway"),
        ("production", "https://voxmesh.example"),
    ):
        text = notes(values)
        assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == ["1", "2", "3"]
        for part in ("helm -n demo test demo", way, "/audio/process-stream-realtime"):
            assert part in text
    assert "Bearer $KEY" in notes("production")
