"""A whole mesh as `voxmesh up` runs it, with fake stages: `python -m tests.local_mesh HOME`.

Prints `ready URL`, and then the process ids of its parts as JSON on a line of its own.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from deploy.local import mesh, terminal
from deploy.local.home import claimed
from shared.messages import StageName

ROOT = Path(__file__).parent.parent
OTHER_ORIGIN = "http://app.localhost"
"""Whose pages the mesh of the tests lets in."""


class LocalMesh(msgspec.Struct, frozen=True, kw_only=True):
    """A mesh that runs. `pids` are its processes by name."""

    url: str
    home: Path
    pids: Mapping[str, int]
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Stop it as Ctrl-C does. Answers the exit status; fails when it takes longer than ten seconds."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@contextmanager
def local_mesh(home: Path, environ: Mapping[str, str] | None = None) -> Generator[LocalMesh]:
    """A mesh with its state in `home`; it is stopped at the end if it still runs."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.local_mesh", str(home)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**inherited, **(environ or {})}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as out:
        try:
            ready = out.readline().split()
            assert ready[:1] == ["ready"], f"the mesh did not start: {ready}"
            yield LocalMesh(url=ready[1], home=home, pids=json.loads(out.readline()), process=process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(15)


@pytest.fixture(scope="session")
def whole_mesh(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalMesh]:
    """A whole mesh with fake stages; one for all tests of a process. It fetches recordings from this machine, too."""
    environ = {"CORS_ORIGINS": OTHER_ORIGIN, "OUTBOUND_ALLOW": "127.0.0.1/32"}
    with local_mesh(tmp_path_factory.mktemp("mesh"), environ) as started:
        yield started


@pytest.fixture(scope="session")
def mesh_url(whole_mesh: LocalMesh) -> str:
    """Where its gateway is."""
    return whole_mesh.url


@pytest.fixture(scope="session")
def recording() -> Path:
    """A recording of 45 s: the sample of the demo."""
    return ROOT / "deploy/local/sample.ogg"


async def _main(home: Path) -> int:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    workers = {stage: (sys.executable, "-m", "tests.fakes.worker", stage.value) for stage in StageName}
    plan = msgspec.structs.replace(mesh.plan(home, environ), workers=workers)
    with claimed(home):
        async with mesh.running(plan, tell=terminal.tell) as started:
            print(f"ready {started.url}")
            print(json.dumps({child.name: child.pid for child in started.children}), flush=True)
            await started.keep_while(asyncio.Event().wait())
    return 0


if __name__ == "__main__":
    sys.exit(terminal.run(_main(Path(sys.argv[1])), stopped=0))
