"""`voxmesh doctor`: each fault is found and comes with what to do."""

import asyncio
import hashlib
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from deploy.local.doctor import doctor
from deploy.local.doctor.mesh import skew
from shared.models.manifest import PACK
from shared.models.store import Presence, home, listing
from shared.settings import BaseSettings, load
from tests.conftest import free_port
from tests.local_mesh import LocalMesh, local_mesh
from tests.mesh import gateway_process

Lines = list[tuple[str, str, str]]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine without a mesh."""
    return {**os.environ, "VOXMESH_HOME": str(tmp_path / "home"), "PORT": str(free_port())}


async def told(capsys: pytest.CaptureFixture[str], environ: Mapping[str, str], url: str = "") -> tuple[int, Lines]:
    """The status, and each line: ok or no, what it is about, and the rest."""
    status = await doctor(environ, url=url)
    lines = capsys.readouterr().out.splitlines()
    return status, [(mark, about, rest) for mark, about, rest in (line.split(maxsplit=2) for line in lines)]


def about(lines: Lines, subject: str) -> list[tuple[str, str]]:
    return [(mark, rest) for mark, found, rest in lines if found == subject]


async def test_a_mesh_that_runs_is_found_well(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], whole_mesh: LocalMesh
) -> None:
    """The one of this machine, without an address: its gateway is ready, lets us in, and has our time."""
    _, lines = await told(capsys, environ | {"VOXMESH_HOME": str(whole_mesh.home)})
    assert about(lines, "gateway") == [("ok", f"{whole_mesh.url} is ready")]
    assert about(lines, "key") == [("ok", "none is asked for")]
    assert about(lines, "clock") == [("ok", "that of the gateway agrees with ours")]
    assert about(lines, "address") == about(lines, "workers") == about(lines, "versions") == []


async def test_a_mesh_that_runs_and_is_not_ready_is_looked_at(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], tmp_path: Path
) -> None:
    """Its Redis hangs: the gateway of this machine is named as the fault, not the port that it listens on."""
    with local_mesh(tmp_path / "home") as mesh:
        os.kill(mesh.pids["redis"], signal.SIGSTOP)
        try:
            status, lines = await told(capsys, environ | {"PORT": mesh.url.rpartition(":")[2]})
        finally:
            os.kill(mesh.pids["redis"], signal.SIGCONT)
    ((mark, rest),) = about(lines, "gateway")
    assert (status, mark, about(lines, "address")) == (1, "no", [])
    assert rest.startswith(f"{mesh.url} is not ready: ")
    assert about(lines, "key") == []


async def test_what_a_killed_mesh_has_left_is_no_mesh(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], tmp_path: Path
) -> None:
    """Its file of addresses is still there, its lock is free: the doctor looks at the port instead."""
    with local_mesh(tmp_path / "home") as mesh:
        mesh.process.kill()
        mesh.process.wait(10)
        assert (tmp_path / "home" / "env").exists()
        _, lines = await told(capsys, environ)
    assert about(lines, "gateway") == []
    assert about(lines, "address")[0][0] == "ok"


async def test_a_mesh_with_faults(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], settings: BaseSettings
) -> None:
    """A gateway that asks for a key, has a Redis that forgets and no worker; of Redis itself version, fitness and clock
    are looked at. The status is 1."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    keyring = {"API_KEYS": f"ops:{hashlib.sha256(b'right').hexdigest()}"}
    with gateway_process(settings, port=port, environ=keyring):
        status, lines = 0, []
        while not any(mark == "ok" for mark, _ in about(lines, "key")):
            status, lines = await told(capsys, environ | {"REDIS_URL": settings.redis_url, "VOXMESH_KEY": "right"}, url)
        _, stranger = await told(capsys, environ, url)
    assert status == 1
    assert (
        "no",
        "none for asr, translate, nlp, insights  -> start one: voxmesh worker STAGE; or raise its replicas",
    ) in about(lines, "workers")
    ((mark, rest),) = about(lines, "gateway")
    assert (mark, "appendonly is off" in rest) == ("no", True)
    assert ("ok", "that of Redis agrees with ours") in about(lines, "clock")
    ((mark, rest),) = about(lines, "redis")
    assert (mark, rest.partition("  -> ")[2]) == ("no", "set appendonly yes")
    assert about(stranger, "key") == [("no", "the gateway asks for one  -> set VOXMESH_KEY")]


async def test_a_gateway_that_is_away(capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> None:
    """It is named, and what to check."""
    url = f"http://127.0.0.1:{free_port()}"
    status, lines = await told(capsys, environ, url)
    remedy = "start it (voxmesh up), or check --url and VOXMESH_URL"
    assert (status, about(lines, "gateway")) == (1, [("no", f"The gateway at {url} does not answer.  -> {remedy}")])


async def test_a_clock_that_is_wrong(capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> None:
    """A gateway whose clock is two minutes ahead, and of another version, is told of, with how to set clocks."""
    async with answering(ahead=120) as url:
        status, lines = await told(capsys, environ, url)
    assert status == 1
    ((mark, rest),) = about(lines, "clock")
    assert mark == "no"
    assert re.match(r"that of the gateway is 1(19|20|21) s ahead  -> .*NTP", rest)
    assert about(lines, "versions")[0][1].startswith("gateway 9.9, here 0.1.0  -> ")


@asynccontextmanager
async def answering(*, ahead: float) -> AsyncGenerator[str]:
    """A gateway of another version whose clock is wrong, as far as the doctor asks it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        body = '{"version":"9.9","stages":{}}' if path == b"/audio/capabilities" else "ready\n"
        head = f"HTTP/1.1 200 OK\r\nDate: {formatdate(time.time() + ahead, usegmt=True)}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("theirs", "before", "after", "state"),
    [
        (100.0, 100.0, 100.2, "agrees with ours"),
        (104.9, 100.0, 100.0, "agrees with ours"),
        (108.0, 100.0, 100.0, "is 8 s ahead"),
        (90.0, 100.0, 101.0, "is 10 s behind"),
        (110.0, 100.0, 120.0, "agrees with ours"),
    ],
    ids=["same", "near", "ahead", "behind", "slow-answer"],
)
def test_how_far_clocks_are_apart(theirs: float, before: float, after: float, state: str) -> None:
    """What an answer takes is no difference of clocks."""
    found = skew("Redis", theirs, before=before, after=after)
    assert found.state == f"that of Redis {state}"
    assert (found.remedy is None) == (state == "agrees with ours")


async def test_a_damaged_model_is_found(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], tmp_path: Path
) -> None:
    """One byte is another: the model is named, and the command that fetches it anew."""
    folder = load(BaseSettings, os.environ).models_dir.expanduser()
    listed = [found for found in listing(folder) if found.model.name in PACK and found.model.files]
    if any(found.presence is not Presence.READY for found in listed):
        pytest.skip("the models have not been fetched: make models")
    victim = min(listed, key=lambda found: found.size)
    models = tmp_path / "models"
    models.mkdir()
    for found in listed:
        name = home(folder, found.model.name).name
        if found is not victim:
            (models / name).symlink_to(folder / name)
    shutil.copytree(home(folder, victim.model.name), home(models, victim.model.name))
    file = home(models, victim.model.name) / victim.model.files[0].path
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    status, lines = await told(capsys, environ | {"MODELS_DIR": str(models)})
    assert status == 1
    name = victim.model.name
    assert about(lines, "models") == [("no", f"{name} in {models} is damaged  -> voxmesh models pull {name}")]
