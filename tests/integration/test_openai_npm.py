"""The official npm package, unchanged, against a whole mesh."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fetching import Unavailable, leave_out, npm
from tests.local_mesh import ROOT

pytestmark = pytest.mark.timeout(240)  # the package may have to be fetched

SAID = "Sentence 1. Sentence 2. Sentence 3."


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder that has the package."""
    try:
        return npm.openai()
    except Unavailable as error:
        leave_out(error)


def test_the_npm_package_works(mesh_url: str, recording: Path, packages: Path) -> None:
    """Formats, words, a stream, translation, models, an error, and what is sent again is one task."""
    done = subprocess.run(
        [npm.NODE, ROOT / "tests/clients/openai_client.mjs", mesh_url, recording],
        env={**os.environ, "OPENAI_NPM": str(packages)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = {each["name"]: each["value"] for each in map(json.loads, done.stdout.splitlines())}
    assert told["json"] == told["translation"] == SAID
    assert told["text"] == f"{SAID}\n"
    assert told["srt"].startswith("1\r\n00:00:00,000 --> ")
    assert told["vtt"].startswith("WEBVTT\n\n")
    assert told["verbose_json"] == {"language": "english", "segments": 3, "words": True}
    assert told["stream"] == {
        "types": ["transcript.text.delta", "transcript.text.done"],
        "deltas": SAID,
        "text": SAID,
    }
    assert "whisper-1" in told["models"]
    assert told["error"] == {"status": 415, "code": "unsupported_media", "type": "invalid_request_error"}
    assert told["retries"] == {"text": SAID, "tasks": 1}
