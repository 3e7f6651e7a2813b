"""How many processors a container may use."""

from pathlib import Path

import pytest

from shared.processors import available


@pytest.mark.parametrize(("quota", "most"), [("100000 100000", 1), ("50000 100000", 1), ("150000 100000", 2)])
def test_a14_a_quota_is_respected(tmp_path: Path, quota: str, most: int) -> None:
    """A container limited to less than the machine gets no more threads than its limit, and at least one."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert 1 <= available(file) <= most


@pytest.mark.parametrize("content", ["max 100000", "", "nonsense"])
def test_without_a_quota_affinity_counts(tmp_path: Path, content: str) -> None:
    """No limit, or a file that says nothing, leaves what the process may run on."""
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert available(file) == available(tmp_path / "absent") >= 1
