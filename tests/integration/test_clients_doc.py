"""The examples of docs/clients.md, run as they stand there against a whole mesh."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_mesh import ROOT, LocalMesh

DOCUMENT = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
OVER_HTTP, OVER_REDIS = re.findall(r"<!-- run -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)

pytestmark = pytest.mark.timeout(120)


def run(example: str, mesh: LocalMesh, recording: Path, script: Path) -> str:
    """What the example prints, saved and run by somebody who has read the `env` of the mesh."""
    example = example.replace("http://localhost:8000", mesh.url).replace("your-audio-file.wav", str(recording))
    script.write_text(example, encoding="utf-8")
    environ = dict(re.findall(r"^export (\w+)='?(.*?)'?$", (mesh.home / "env").read_text(), re.MULTILINE))
    assert "REDIS_URL" in environ
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_http_example_runs(whole_mesh: LocalMesh, recording: Path, tmp_path: Path) -> None:
    """It shows progress and sentences as they come, the translation, and subtitles at the end."""
    shown = run(OVER_HTTP, whole_mesh, recording, tmp_path / "example.py")
    assert "100 %  Processing is complete" in shown
    assert "1.0 s: Sentence 2." in shown
    assert "translated: Frase 1. Frase 2. Frase 3." in shown
    assert "00:00:00,000 --> " in shown


def test_the_direct_example_runs(whole_mesh: LocalMesh, recording: Path, tmp_path: Path) -> None:
    """It prints what each stage has made of the sentences."""
    shown = run(OVER_REDIS, whole_mesh, recording, tmp_path / "example.py")
    assert shown.splitlines() == [
        "Good morning. -> Good morning.",  # what the fake stage makes of it
        "The shipment is three weeks late. -> The shipment is three weeks late.",
        "in None, 0 warnings",
        "Good morning. []",
        "The shipment is three weeks late. []",
        "None",
    ]
