"""A second opinion on the manifests, from a checker of policies."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.chart import helm, tools
from tests.fetching import Unavailable, leave_out

_NOT_OURS = "CKV_K8S_8,CKV_K8S_9,CKV_K8S_11,CKV_K8S_15,CKV_K8S_21,CKV_K8S_43"
"""Probes of init containers, limits of processors (they slow inference down and help nobody), pulling each time, the
namespace, which is whoever installs it to choose, and digests, which a value takes."""


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    os.environ.get("CHART_ENGINES") != "real",
    reason="`make chart` does, and CI: checkov takes 300 MB and most of a minute",
)
def test_checkov_finds_nothing(tmp_path: Path) -> None:
    """Every set of values passes, without an exception in a manifest."""
    try:
        python = tools.checkov()
    except Unavailable as error:
        leave_out(error)
    for values in helm.VALUES:
        assert "checkov.io/skip" not in helm.text(values)
        (tmp_path / f"{values}.yaml").write_text(helm.text(values), encoding="utf-8")
    command = [python, "-m", "checkov.main", "--framework", "kubernetes", "--compact", "--quiet"]
    command += ["--skip-download", "--skip-check", _NOT_OURS, "--directory", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
