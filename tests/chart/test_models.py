"""Models in a cluster: what the chart fetches, from where, and where the services find it."""

import re
from pathlib import Path

import pytest

from shared.models.store import hub_name, verify
from tests.chart.helm import Manifest, container, manifests, of_kind, text
from tests.chart.machine import Cluster, initialise
from tests.chart.values_schema import MODEL
from tests.fakes.hub import serving


def _pod(*options: str, stage: str = "asr") -> Manifest:
    found = manifests("default", *(part for option in options for part in ("--set-json", option)))
    return of_kind("Deployment", found)[stage]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "whisper-base",
            "resemblyzer",
            "owner/name",
            "owner/name@main",
            "Systran/faster-whisper-small.en@0123abc",
            "o-w.n_er/0",
        ),
        *(
            "whisper-huge",
            "owner/",
            "/name",
            "owner/name@",
            "a/b/c",
            "owner/.name",
            "-o/name",
            "own er/name",
            "o/n@a/b",
        ),
        *("", "firefox-en-pt", "owner/näme", "owner/name\n"),
    ],
)
def test_the_chart_takes_the_names_that_the_pull_takes(name: str) -> None:
    """Names of the manifest that have files, and whatever is a name on a hub; nothing else."""
    taken = re.search(MODEL.replace("$", r"\Z"), name, re.ASCII) is not None
    assert taken == (name in ("whisper-base", "resemblyzer") or hub_name(name) is not None)


def test_a_model_of_a_hub_is_fetched_and_found(tmp_path: Path) -> None:
    """The init container's command, with its variables, brings a model of a hub to where the worker looks for it."""
    with serving({"config.json": b"{}", "model.bin": b"weights"}) as hub:
        deployment = _pod(
            'stages.asr.models=["owner/tiny@0123abc"]',
            'stages.asr.config={"ASR_MODEL":"owner/tiny@0123abc"}',
            f'modelCache.extraEnv=[{{"name":"HF_ENDPOINT","value":"{hub.url}"}}]',
        )
        done = initialise(deployment, Cluster(folder=tmp_path, redis_port=0, models=tmp_path / "models"))
    assert done.returncode == 0, done.stderr
    assert verify(tmp_path / "models", "owner/tiny") == []
    assert {"name": "ASR_MODEL", "value": "owner/tiny@0123abc"} in container(deployment)["env"]


def test_a_model_that_is_not_wanted_need_not_be_fetched() -> None:
    """A setting that says `none` names no model."""
    deployment = _pod('stages.asr.models=["whisper-base"]', 'stages.asr.config={"ASR_DIARIZE_MODEL":"none"}')
    assert {"name": "ASR_DIARIZE_MODEL", "value": "none"} in container(deployment)["env"]


def test_a_folder_in_the_cache_is_mounted() -> None:
    """A stage that fetches nothing has the cache where a setting names a folder in it, and only then."""
    for options, there in (
        (['stages.translate.config={"TRANSLATE_MODELS":"en-de=/models/mine,/models/nllb"}'], True),
        (['stages.translate.config={"TRANSLATE_MODELS":"/elsewhere/mine"}'], False),
        ([], False),
    ):
        pod = _pod(*options, stage="translate")["spec"]["template"]["spec"]
        assert ("models" in {volume["name"] for volume in pod["volumes"]}) == there
        assert "initContainers" not in pod


def _ports(stage: str, *options: str) -> set[object]:
    rules = of_kind("NetworkPolicy", manifests("default", *options))[stage]["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"] if "to" not in rule} - {53}


def test_the_way_to_models_is_open() -> None:
    """A stage that fetches models reaches index and hub on the ports that their addresses name, and an endpoint of a
    language model is reached by insights alone."""
    address = '--set-json=modelCache.extraEnv=[{"name":"HF_ENDPOINT","value":"http://hub.example:8080"}]'
    assert _ports("asr", address) == {443, 8080}
    assert _ports("translate", address) == set()
    assert _ports("asr", "--set=modelCache.pull=false") == set()
    for url, port in (("https://llm.example.com/v1", 443), ("http://vllm.models:8000/v1", 8000), ("http://a/v1", 80)):
        options = ("--set=modelCache.pull=false", f"--set=stages.insights.config.LLM_BASE_URL={url}")
        assert _ports("insights", *options) == {port}
        assert _ports("nlp", *options) == set()


def test_a_token_of_a_hub_comes_from_a_secret() -> None:
    """`HF_TOKEN` reaches the init container by reference, and the worker not at all."""
    reference = '[{"name":"HF_TOKEN","valueFrom":{"secretKeyRef":{"name":"hub","key":"token"}}}]'
    deployment = _pod(f"modelCache.extraEnv={reference}")
    (init,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert "HF_TOKEN" in {entry["name"] for entry in init["env"]}
    assert "HF_TOKEN" not in {entry["name"] for entry in container(deployment)["env"]}
    assert text("default", "--set-json", f"modelCache.extraEnv={reference}").count("HF_TOKEN") == 3
