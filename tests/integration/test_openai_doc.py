"""The example of docs/openai.md, run as it stands there against a whole mesh."""

import re
import subprocess
import sys
from pathlib import Path

from tests.local_mesh import ROOT

DOCUMENT = (ROOT / "docs/openai.md").read_text(encoding="utf-8")


def test_the_example_runs(mesh_url: str, recording: Path, tmp_path: Path) -> None:
    """It prints the text, and then the same as it comes."""
    (example,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)
    script = tmp_path / "example.py"
    text = example.replace("http://localhost:8000", mesh_url).replace("your-audio-file.wav", str(recording))
    script.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Sentence 1. Sentence 2. Sentence 3.\n" * 2
