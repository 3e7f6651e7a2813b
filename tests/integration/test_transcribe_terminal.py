"""`voxmesh transcribe` in a pseudo-terminal, against a mesh whose stages take their time."""

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from shared.client import SyncMeshClient
from shared.messages import State
from tests.fakes.terminal import VOXMESH, Terminal
from tests.local_mesh import LocalMesh, local_mesh

CONTROL = re.compile(r"\x1b|[\x00-\x08\x0b-\x1f\x7f]")
BAR = re.compile(r"sample\.ogg.*━.*\d+ %")


@pytest.fixture(scope="module")
def slow_mesh(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalMesh]:
    """Ten sentences, for each of which every stage takes a fifth of a second."""
    with local_mesh(tmp_path_factory.mktemp("mesh"), {"FAKE_SECONDS": "0.2", "FAKE_SEGMENTS": "10"}) as started:
        yield started


def states(mesh: LocalMesh) -> list[State]:
    """How its tasks stand, the newest first."""
    with SyncMeshClient(mesh.url) as client:
        return [task.state for task in client.tasks()]


def test_a_bar_and_the_words_appear_while_the_work_goes_on(slow_mesh: LocalMesh, recording: Path) -> None:
    """The bar moves and the latest sentences stand below it before the task has ended; at the end both are gone, the
    cursor is back, and the text stands there once."""
    with Terminal([*VOXMESH, "transcribe", str(recording), "--url", slow_mesh.url]) as terminal:
        shown = terminal.until(lambda text: "Sentence 2." in text)
        assert BAR.search(shown)
        assert "Transcribing the audio" in shown
        assert states(slow_mesh)[0] is State.RUNNING
        assert terminal.ended() == 0
    progress = [int(percent) for percent in re.findall(r"(\d+) %", terminal.shown)]
    assert progress == sorted(progress)
    assert len(set(progress)) > 5
    _, after = terminal.shown.split("\x1b[?25h")  # the cursor is shown again
    assert after.split() == [word for number in range(1, 11) for word in ("Sentence", f"{number}.")]


def test_the_text_alone_goes_to_a_file(slow_mesh: LocalMesh, recording: Path) -> None:
    """With standard output elsewhere the bar stays on the terminal, and nothing of it comes through."""
    command = [*VOXMESH, "transcribe", str(recording), "--url", slow_mesh.url, "--translate", "pt"]
    with Terminal(command, apart=True) as terminal:
        terminal.until(lambda text: "Frase 10." in text)
        assert terminal.ended() == 0
    assert terminal.printed == "".join(f"Frase {number}.\n" for number in range(1, 11))
    assert BAR.search(terminal.shown)


def test_ctrl_c_cancels_on_the_server(slow_mesh: LocalMesh, recording: Path, tmp_path: Path) -> None:
    """All tasks that are under way end as cancelled, nothing is written, and the status is 130."""
    names = [tmp_path / f"{letter}.ogg" for letter in "abc"]
    for name in names:
        name.write_bytes(recording.read_bytes())
    command = [*VOXMESH, "transcribe", *map(str, names), "-o", str(tmp_path / "out"), "--url", slow_mesh.url, "-j", "2"]
    before = len(states(slow_mesh))
    with Terminal(command) as terminal:
        terminal.until(lambda text: text.count("Transcribing the audio") > 1 and "0 of 3" in text and "b.ogg" in text)
        terminal.until(lambda _: states(slow_mesh)[:2] == [State.RUNNING] * 2)
        terminal.press_ctrl_c()
        assert terminal.ended(seconds=10) == 130
    assert len(re.findall(r"[ab]\.ogg: cancelled", terminal.shown)) == 2
    now = states(slow_mesh)
    assert now[: len(now) - before] == [State.CANCELLED] * 2
    assert list((tmp_path / "out").iterdir()) == []


def test_a_closed_terminal_cancels_on_the_server(tmp_path: Path, recording: Path) -> None:
    """As Ctrl-C does, with the same status, though there is nowhere left to say so. The task has no end of its own."""
    with local_mesh(tmp_path / "mesh", {"FAKE_STALL_AT": "3", "DRAIN_SECONDS": "0.2"}) as mesh:
        with Terminal([*VOXMESH, "transcribe", str(recording), "--url", mesh.url]) as terminal:
            terminal.until(lambda text: "Sentence 2." in text)
            terminal.hang_up()
            assert terminal.ended() == 130
        assert states(mesh) == [State.CANCELLED]


def test_several_recordings_have_a_bar_each(slow_mesh: LocalMesh, recording: Path, tmp_path: Path) -> None:
    """What has ended is told in a line, how many of all have, below; a failure does not stop the others: 1."""
    (tmp_path / "good.ogg").write_bytes(recording.read_bytes())
    (tmp_path / "bad.ogg").write_text("no recording at all " * 100)
    words = [str(tmp_path / "*.ogg"), "-o", str(tmp_path), "-f", "srt"]
    with Terminal([*VOXMESH, "transcribe", *words, "--url", slow_mesh.url], width=200) as terminal:
        terminal.until(lambda text: "1 of 2 recordings have ended" in text and "Sentence" in text)
        assert terminal.ended() == 1
    assert re.search(r"bad\.ogg: failed: .*\(unsupported_media\)", terminal.shown)
    assert re.search(r"good\.ogg: done: .*/good\.srt", terminal.shown)
    assert "1 of 2 done, 1 failed" in terminal.shown
    assert (tmp_path / "good.srt").read_text().startswith("1\n00:00:00,000 --> ")


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(slow_mesh: LocalMesh, recording: Path) -> None:
    """No control character reaches it."""
    command = [*VOXMESH, "transcribe", str(recording), "--url", slow_mesh.url]
    with Terminal(command, environ={"TERM": "dumb"}) as terminal:
        assert terminal.ended() == 0
    assert not CONTROL.search(terminal.shown.replace("\r\n", "\n"))
    assert "The transcript is ready" in terminal.shown
