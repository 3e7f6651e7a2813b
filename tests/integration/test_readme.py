"""The commands of the README and of docs/, run as they stand against a whole mesh (JavaScript: see tests/browser)."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deploy.local.home import default_home
from deploy.local.redis_server import binary
from services.gateway.settings import Settings
from tests.local_mesh import ROOT, LocalMesh

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = README + "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
RUN = [textwrap.dedent(block) for block in re.findall(r"<!-- run -->\n *```bash\n(.*?) *```", DOCUMENTS, re.DOTALL)]
TARGETS = sorted(set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE)))


def in_place(text: str, mesh: LocalMesh, recording: Path) -> str:
    """An example with the address and the file of this test."""
    return text.replace("http://localhost:8000", mesh.url).replace("your-audio-file.wav", str(recording))


def shell(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The script in bash, in the root of the repository; the first command that fails ends it."""
    path = f"{Path(sys.executable).parent}:{binary().parent}:{os.environ['PATH']}"
    script = script.replace(".venv/bin/python", sys.executable)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("block", RUN, ids=[block.strip().splitlines()[0][:40] for block in RUN])
def test_commands_work(block: str, whole_mesh: LocalMesh, recording: Path) -> None:
    """Each command block that is marked ends well and prints something."""
    for program in ("curl", "jq"):
        if program in block and shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine (apt-get install {program})")
    done = shell(in_place(block, whole_mesh, recording), VOXMESH_HOME=str(whole_mesh.home))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "problem" not in done.stdout


def test_the_guides_command_streams_every_step(whole_mesh: LocalMesh, recording: Path) -> None:
    """The first curl command prints `data: {…}` lines from started to completed."""
    done = shell(in_place(RUN[0], whole_mesh, recording))
    steps = re.findall(r'^data: {.*"step":"(\w+)"', done.stdout, flags=re.MULTILINE)
    assert [step for step in steps if step.endswith("_complete")] == [
        "transcription_complete",
        "translation_complete",
        "ner_complete",
        "classification_complete",
        "summarization_complete",
        "insights_complete",
    ]
    assert steps[-1] == "completed"


def test_the_python_example_runs(whole_mesh: LocalMesh, recording: Path, tmp_path: Path) -> None:
    """The Python example, saved and run, shows the progress to its end."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(in_place(example, whole_mesh, recording), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Progress: 100% - ")


@pytest.mark.parametrize("target", TARGETS)
def test_make_targets_exist(target: str) -> None:
    """Every `make` command of the README is a target of the Makefile."""
    assert shell(f"make --dry-run {target}").returncode == 0


def test_variables_exist() -> None:
    """Every variable of the README's table is one that the code reads."""
    table = README[README.index("| variable |") : README.index("| command |")]
    named = set(re.findall(r"`([A-Z_]{4,})`", table))
    fields = {name.upper() for name in Settings.__struct_fields__}
    assert default_home({"VOXMESH_HOME": "/x"}) == Path("/x")
    assert named - fields == {"VOXMESH_HOME"}
