"""What holds the promises up, taken out piece by piece: for each piece there is a test that fails without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.local_mesh import ROOT

_FOLDERS = ("deploy", "services", "shared", "tests")
_COMMIT = "shared/lua/commit.lua"
_SCRIPTS = "tests/integration/test_scripts.py"
_HUB = "tests/integration/test_gateway_hub.py"


class Mutation(msgspec.Struct, frozen=True):
    """`without` stands for `code` in `file`; the test fails then."""

    name: str
    file: str
    code: str
    without: str
    test: str


MUTATIONS = [
    Mutation(
        "fence",
        _COMMIT,
        "if fields[2] ~= tostring(request.token) then return {'SUPERSEDED'} end",
        "",
        f"{_SCRIPTS}::test_fenced_off_attempt_writes_and_publishes_nothing",
    ),
    Mutation(
        "numbered_id",
        _COMMIT,
        "'XADD', out, (request.first + offset - 1) .. '-0',",
        "'XADD', out, '*',",
        f"{_SCRIPTS}::test_record_cannot_be_written_twice",
    ),
    Mutation(
        "mark_of_what_is_published",
        _COMMIT,
        "fresh = event.record > published",
        "fresh = true",
        f"{_SCRIPTS}::test_record_cannot_be_written_twice",
    ),
    Mutation(
        "subscription_before_replay",
        "services/gateway/events/hub.py",
        "self._epoch = epoch if last else 0",
        "self._epoch = self.topic.epoch if last else 0",
        f"{_HUB}::test_what_was_published_between_a_look_and_its_answer_is_found",
    ),
    Mutation(
        "ttl_refresh",
        _COMMIT,
        "redis.call('PEXPIRE', task, request.ttl_ms)",
        "",
        f"{_SCRIPTS}::test_each_sign_of_life_gives_a_task_its_whole_time_again",
    ),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_promise_is_not_kept_without(mutation: Mutation, tmp_path: Path) -> None:
    """In a copy of the code; with the code as it is, the test passes in its own place."""
    for folder in _FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    mutated = tmp_path / mutation.file
    code = mutated.read_text()
    assert code.count(mutation.code) == 1
    mutated.write_text(code.replace(mutation.code, mutation.without))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mutation.test],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert f"FAILED {mutation.test}" in run.stdout
