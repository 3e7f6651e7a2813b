"""What the Dockerfiles of all services say."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from services.asr.settings import Settings as AsrSettings
from services.gateway.settings import Settings as GatewaySettings
from shared.messages import StageName
from tests.fakes.image import ROOT, environ_of, read

SERVICES = ("gateway", *StageName)
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
}
"""What keeps the ML libraries from asking their hubs, and from telling anybody what is done with them."""
OF_THE_SYSTEM = {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_pinned_and_runs_for_nobody(service: str) -> None:
    """The base is named by its digest; the process is nobody's, has an init, a health check and a signal to stop."""
    preamble, *stages = read(service)
    arguments = dict(step.value.split("=", 1) for step in preamble.steps)
    assert re.fullmatch(r"python:3\.1[123]-slim-\w+@sha256:[0-9a-f]{64}", arguments["PYTHON"])
    names = {stage.name for stage in stages}
    assert {stage.base for stage in stages} <= {"${PYTHON}", "${DEVICE}", *names}
    last = {step.name: step.value for step in stages[-1].steps}
    assert last["USER"] == "65532:65532"
    assert (last["ENTRYPOINT"], last["STOPSIGNAL"]) == ('["tini", "--"]', "SIGTERM")
    assert last["HEALTHCHECK"].endswith('CMD ["voxmesh", "health"]')
    assert not any(step.name == "RUN" for step in stages[-1].steps), "what runs there would be a layer of root's"


@pytest.mark.parametrize("service", SERVICES)
def test_no_model_is_baked(service: str) -> None:
    """No step fetches a model, and where models lie is a volume."""
    stages = read(service)
    steps = [step for stage in stages for step in stage.steps]
    assert not any("models" in step.value for step in steps if step.name == "RUN" and "pull" in step.value)
    assert not any(step.name == "ADD" for step in steps)
    if service != "gateway":
        volumes = msgspec.json.decode(next(step.value for step in steps if step.name == "VOLUME"))
        assert environ_of(stages[-1:])["MODELS_DIR"] in volumes


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_sets_what_a_service_reads(service: str) -> None:
    """What an image sets is a setting of its service or of the system's; workers' images keep the libraries offline."""
    environ = environ_of(read(service)[-1:])
    settings = GatewaySettings if service == "gateway" else AsrSettings
    fields = {name.upper() for name in settings.__struct_fields__}
    assert environ.keys() <= fields | OF_THE_SYSTEM | OFFLINE.keys()
    if service != "gateway":
        assert environ.items() >= OFFLINE.items()


@pytest.mark.parametrize("stage", StageName)
def test_the_stages_have_one_dockerfile(stage: StageName) -> None:
    """The four differ in the name of their stage and in nothing else, and each has a variant for graphics cards."""
    texts = {
        (ROOT / f"services/{name}/Dockerfile").read_text(encoding="utf-8").replace(name, "@") for name in StageName
    }
    assert len(texts) == 1
    assert [found.name for found in read(stage)] == ["", "build", "system", "cpu", "cuda", ""]


def test_the_context_lets_through_what_is_copied() -> None:
    """All that a Dockerfile copies or mounts is let through by .dockerignore, and of the rest nothing."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    taken: set[str] = set()
    for service in SERVICES:
        for step in (step for stage in read(service) for step in stage.steps):
            if step.name == "COPY" and not step.value.startswith("--from"):
                taken.update(name.split("/")[0] for name in step.value.split()[:-1])
            taken.update(source.split("/")[0] for source in re.findall(r"type=bind,source=([^,]+)", step.value))
    assert "*" in lines
    assert taken == let_in


def test_uv_has_one_version() -> None:
    """The Makefile, pyproject.toml and the lock, from which the images take it, name the same."""
    makefile = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert makefile
    assert f"uv=={makefile[1]}" in project["project"]["optional-dependencies"]["dev"]
    assert f"\nuv=={makefile[1]} " in lock


def test_the_builds_for_processors_keep_their_versions(tmp_path: Path) -> None:
    """Without CUDA, torch and its kin come from another index: for them alone the lock gives no hash."""
    program = re.search(r"awk '(.*?)'", (ROOT / "deploy/images/install.sh").read_text(encoding="utf-8"), re.DOTALL)
    assert program
    done = subprocess.run(
        ["awk", program[1], ROOT / "requirements.lock"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    kept = re.findall(r"^([\w.-]+)==\S+(.*)$", done.stdout, re.MULTILINE)
    bare = {name for name, rest in kept if not rest.endswith("\\")}
    assert bare == {"torch", "torchaudio", "torchcodec", "torchvision"}
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in kept] == names


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    """A device that there is no variant for ends the build with a sentence."""
    (tmp_path / "tools/bin").mkdir(parents=True)
    (tmp_path / "tools/bin/uv").symlink_to(sys.executable)
    done = subprocess.run(
        ["sh", str(ROOT / "deploy/images/install.sh"), "asr", "tpu"],
        env={"PATH": "/usr/bin:/bin", "TOOLS": str(tmp_path / "tools"), "PREFIX": str(tmp_path / "prefix")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "DEVICE is tpu; it must be cpu or cuda\n")
