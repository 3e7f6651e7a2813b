"""The examples of docs/clients.md, run as they stand there against a whole mesh."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.local_mesh import ROOT, LocalMesh

DOCUMENT = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
OVER_HTTP, *SHORT, OVER_REDIS = re.findall(r"<!-- run -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)
TITLES = re.findall(r"\n([^\n]+:)\n\n<!-- run -->\n```python", DOCUMENT)
SHOWN = [
    ("en Sentence 1. Sentence 2. Sentence 3.", "Frase 3."),
    ("sample.ogg Sentence 1. Sentence 2. Sentence 3.",),
    ("   1.0 Sentence 2.",),
    (" started 5\n", " completed 100\n"),
    ("() () None None",),  # what the fake stages find in a text
    ("completed",),
]
"""What each of the short examples prints, among other things."""


def run(example: str, mesh: LocalMesh, recording: Path, script: Path) -> str:
    """What the example prints, saved and run by somebody who has read the `env` of the mesh."""
    example = example.replace("http://localhost:8000", mesh.url).replace("your-audio-file.wav", str(recording))
    script.write_text(example, encoding="utf-8")
    environ = dict(re.findall(r"^export (\w+)='?(.*?)'?$", (mesh.home / "env").read_text(), re.MULTILINE))
    assert "REDIS_URL" in environ
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=recording.parent,
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


@pytest.mark.parametrize(("example", "expected"), list(zip(SHORT, SHOWN, strict=True)), ids=TITLES)
def test_the_short_examples_run(
    example: str, expected: Sequence[str], whole_mesh: LocalMesh, recording: Path, tmp_path: Path
) -> None:
    """Each does what its title says, in about ten lines."""
    lines = [line for line in example.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 12
    shown = run(example, whole_mesh, recording, tmp_path / "example.py")
    assert all(part in shown for part in expected), shown


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
