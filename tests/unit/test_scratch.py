"""Folders that do not outlive their process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.scratch import own_folder, sweep

_HOLD = (
    "import sys, pathlib, shared.scratch as scratch\n"
    "with scratch.own_folder(pathlib.Path(sys.argv[1])) as folder:\n"
    "    (folder / 'file').write_text('x')\n"
    "    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_folder_is_there_for_the_time_of_the_block(tmp_path: Path) -> None:
    """And goes with all that is in it, also when the block fails."""

    def fail() -> None:
        with own_folder(tmp_path) as folder:
            (folder / "file").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_held_by_nobody_is_swept(tmp_path: Path) -> None:
    """A process that lives keeps its folder, whoever sweeps; that of a killed one is gone with the first sweep."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with (
        own_folder(tmp_path) as mine,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        assert sweep(tmp_path) == 0
        assert (theirs / "file").exists()
        other.kill()
        other.wait()
        assert sweep(tmp_path) == 1
        assert list(tmp_path.iterdir()) == [mine]


def test_a_sweep_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    """What is left without its lock goes, too; what is none of ours stays."""
    (tmp_path / "held-1").mkdir()
    (tmp_path / "held-2").mkdir()
    (tmp_path / "held-2" / "file").write_text("x")
    (tmp_path / "other").mkdir()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_folder_that_is_swept_while_it_is_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes between the folder and its lock takes nothing from its maker."""
    real, swept = os.open, list[int]()

    def swept_before(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and not swept:
            swept.append(sweep(tmp_path))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", swept_before)
    with own_folder(tmp_path) as folder:
        assert swept == [0]
        assert list(tmp_path.iterdir()) == [folder]
        assert sweep(tmp_path) == 0
