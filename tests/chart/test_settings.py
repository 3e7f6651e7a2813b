"""Variables in the manifests are settings of the services, and every setting can be reached through the chart."""

import json
import re

import pytest

from deploy.local import cli
from services.gateway.settings import Settings as Gateway
from shared import keys
from shared.messages import StageName
from shared.settings import BaseSettings, load, secrets_of
from tests.chart import helm
from tests.chart.helm import environment, manifests, of_kind
from tests.chart.options import SERVICES, STAGES, chosen, files, is_own, variables

LIBRARIES = {"HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HTTPS_PROXY"} | {
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
    *("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"),
}
"""Variables that what lies below the services reads."""
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
"""The one that shared.tracing takes from a file."""
INSTEAD_OF_A_VALUE = {"REDIS_URL", "API_KEYS"}
"""Settings for which the chart has others: the parts of the address, and the file."""


def _rendered(service: str) -> set[str]:
    """Settings; of a secret whose file is named the secret."""
    kind, found = SERVICES[service], set[str]()
    for values in helm.VALUES:
        if deployment := of_kind("Deployment", manifests(values)).get(service):
            found |= {
                secret if (secret := name.removesuffix("_FILE")) in secrets_of(kind) | {HEADERS} else name
                for name in environment(deployment)
            }
    return found - {HEADERS}


@pytest.mark.parametrize("service", SERVICES)
def test_each_variable_is_a_setting(service: str) -> None:
    """No manifest sets what nobody reads."""
    assert _rendered(service) - LIBRARIES <= variables(SERVICES[service])


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_can_be_set(service: str) -> None:
    """A setting is rendered from a value of its own, or is taken by its name in `config`; never both."""
    kind = SERVICES[service]
    by_name = chosen(kind).keys()
    unused = {"MODELS_DIR"} if service == "gateway" else set[str]()  # it has no models
    if service not in {"gateway", "asr"}:  # these have no recordings
        unused |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert variables(kind) - by_name - INSTEAD_OF_A_VALUE - unused - files(kind) <= _rendered(service)
    assert not {name for name in by_name if is_own(name)}


def test_what_is_chosen_reaches_the_service() -> None:
    """The services read from the manifests what has been written into the values: numbers, digits and all."""
    options = (
        *("--set", "config.LOG_LEVEL=debug", "--set-json", "config.MAX_AUDIO_SECONDS=1e7"),
        *("--set-json", "gateway.config.PING_SECONDS=2.5", "--set", "stages.asr.config.ASR_BEAM_SIZE=3"),
        *("--set", "stages.asr.config.LOG_LEVEL=error", "--set", "stages.asr.enabled=true"),
    )
    found = of_kind("Deployment", manifests("default", *options))
    gateway = load(Gateway, environment(found["gateway"]))
    asr = load(STAGES[StageName.ASR], environment(found["asr"]))
    assert (gateway.log_level, gateway.max_audio_seconds, gateway.ping_seconds) == ("debug", 1e7, 2.5)
    assert (asr.log_level, getattr(asr, "asr_beam_size", None), asr.redis_host) == ("error", 3, "demo-voxmesh-redis")


def test_a_variable_is_there_once() -> None:
    """A block's own variable counts before one for all, and `extraEnv` before `config`: no name is there twice."""
    own, shared = '[{"name":"LOG_LEVEL","value":"debug"},{"name":"A","value":"own"}]', '[{"name":"A","value":"all"}]'
    given = ("config.LOG_LEVEL=error", "extraEnv=" + shared, "stages.asr.extraEnv=" + own)
    options = ("--set", given[0], "--set-json", given[1], "--set-json", given[2])
    for name, deployment in of_kind("Deployment", manifests("default", *options)).items():
        names = [entry["name"] for entry in helm.container(deployment)["env"]]
        assert len(names) == len(set(names))
        expected = ("debug", "own") if name == "asr" else ("error", "all")
        assert (environment(deployment)["LOG_LEVEL"], environment(deployment)["A"]) == expected


@pytest.mark.parametrize("values", helm.VALUES)
def test_the_services_start_with_their_variables(values: str) -> None:
    """Each service takes what its manifest gives it, and has the address of Redis from it."""
    for name, deployment in of_kind("Deployment", manifests(values)).items():
        given = {key: text for key, text in environment(deployment).items() if not key.endswith("_FILE")}
        settings = load(SERVICES[name], given)
        assert settings.redis_host or settings.redis_sentinels


def test_queues_have_the_names_that_the_workers_use() -> None:
    """KEDA looks at the sorted set that arq fills."""
    for stage, scaler in of_kind("ScaledObject", manifests("staging")).items():
        (trigger,) = scaler["spec"]["triggers"]
        assert trigger["metadata"]["listName"] == keys.queue(StageName(stage))


def test_the_arguments_are_commands() -> None:
    """The command line of `voxmesh` knows what the containers run."""
    parser = cli._parser()  # pyright: ignore[reportPrivateUsage]
    for deployment in of_kind("Deployment", manifests()).values():
        for container in [
            *deployment["spec"]["template"]["spec"].get("initContainers", []),
            *deployment["spec"]["template"]["spec"]["containers"],
        ]:
            assert container["args"][0] == "voxmesh"
            assert parser.parse_args(container["args"][1:])


def test_variables_of_the_chart_cannot_be_overridden() -> None:
    """`extraEnv` may name nothing that the chart sets: Kubernetes would take the one or the other."""
    text = (helm.CHART / "templates/_validations_extras.tpl").read_text(encoding="utf-8")
    ours = re.findall(r'"(.*?)"', text.partition("$ours := list")[2].partition("-}}")[0])
    assert len(ours) > 10
    pattern = "|".join(ours)
    libraries = LIBRARIES - {"HTTPS_PROXY"} - {name for name in LIBRARIES if name.startswith("AWS_")}
    for service, kind in SERVICES.items():
        for name in _rendered(service) - (secrets_of(kind) - secrets_of(BaseSettings)) - {"API_KEYS_FILE"}:
            if name.startswith("AWS_"):
                continue
            if name in libraries or (name in variables(kind) and is_own(name)):
                assert re.fullmatch(pattern, name), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_secret_may_come_another_way(service: str) -> None:
    """As a variable, or as a file that something else has put into a volume, where the chart names no Secret for it."""
    variable = "LINK_SECRET" if service == "gateway" else "AZURE_STORAGE_ACCOUNT_KEY"
    block = service if service == "gateway" else f"stages.{service}"
    reference = {"name": variable, "valueFrom": {"secretKeyRef": {"name": "mine", "key": "key"}}}
    for given in (reference, {"name": f"{variable}_FILE", "value": "/vault/it"}):
        options = ("--set-json", f"{block}.extraEnv={json.dumps([given])}")
        assert given in helm.container(of_kind("Deployment", manifests("default", *options))[service])["env"]


def test_secrets_without_a_value_are_files() -> None:
    """`secretFiles` gives a service what the chart has no value for, as a file that nobody else may read."""
    insights = of_kind("Deployment", manifests("card"))["insights"]
    assert environment(insights)["LLM_API_KEY_FILE"] == "/etc/voxmesh/secrets/LLM_API_KEY"
    (volume,) = [each for each in insights["spec"]["template"]["spec"]["volumes"] if each["name"] == "secrets"]
    assert volume["projected"] == {
        "defaultMode": 0o440,
        "sources": [{"secret": {"name": "llm", "items": [{"key": "key", "path": "LLM_API_KEY"}]}}],
    }
