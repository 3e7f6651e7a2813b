"""`voxmesh[client]`, installed with what it asks for and nothing else."""

import re
from pathlib import Path

import pytest

from tests.fakes.installed import Installed

OF_SERVERS = {"arq", "redis", "litestar", "prometheus-client", "structlog", "obstore", "uvloop", "torch", "numpy"}

PROGRAM = """
import sys
from shared.client import MeshClient, SyncMeshClient
import re
from pathlib import Path
with SyncMeshClient(sys.argv[1]) as client:
    print(client.transcribe(Path(sys.argv[2]), language="en").transcript)
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("client") / "installed", "client")


def test_it_takes_no_package_of_the_servers(client: Installed) -> None:
    """Two packages are asked for; with what these need there are fewer than a dozen, and none that a server needs."""
    assert client.asked_for == {"httpx", "msgspec"}
    assert len(client.packages) < 12
    assert not client.packages & OF_SERVERS


def test_it_works_with_its_own_packages_alone(client: Installed, mesh_url: str, recording: Path) -> None:
    """A program that has nothing else sends a recording and has its text."""
    (client.site / "program.py").write_text(PROGRAM)
    done = client.python("program", mesh_url, str(recording))
    assert (done.returncode, done.stdout) == (0, "Sentence 1. Sentence 2. Sentence 3.\n"), done.stderr


def test_its_types_are_told(client: Installed) -> None:
    """Type checkers read the annotations of a package that is marked so."""
    assert (client.site / "shared/py.typed").exists()


def test_what_is_not_there_is_really_not_there(client: Installed) -> None:
    """The check above can fail: what a server is made of cannot be imported there."""
    (client.site / "server.py").write_text("import services.gateway.app")
    done = client.python("server")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named" in done.stderr


def test_the_command_works_with_the_packages_of_its_extra_alone(
    tmp_path_factory: pytest.TempPathFactory, mesh_url: str, recording: Path, tmp_path: Path
) -> None:
    """On a machine that only asks a mesh elsewhere: `transcribe` and `status` do their work, and what needs more says
    so in a line."""
    cli = Installed(tmp_path_factory.mktemp("cli") / "installed", "cli")
    assert not cli.packages & (OF_SERVERS - {"prometheus-client"})
    environ = {"VOXMESH_URL": mesh_url}
    done = cli.python("deploy.local.cli", "transcribe", str(recording), environ=environ)
    assert (done.returncode, done.stdout) == (0, "Sentence 1.\nSentence 2.\nSentence 3.\n"), done.stderr
    done = cli.python("deploy.local.cli", "status", environ=environ)
    assert (done.returncode, done.stdout.split()[1]) == (0, "voxmesh"), done.stderr
    done = cli.python("deploy.local.cli", "transcribe", str(recording), environ={"VOXMESH_HOME": str(tmp_path)})
    assert done.returncode == 3
    assert done.stderr.startswith("voxmesh: No mesh runs on this machine. Name one with --url or VOXMESH_URL;")
    done = cli.python("deploy.local.cli", "up")
    assert done.returncode == 2
    assert re.fullmatch(r"voxmesh: \w+ is not installed; this command needs voxmesh\[local\]\n", done.stderr)
