"""What `voxmesh transcribe` makes of the words of its command line."""

from pathlib import Path

import pytest

from deploy.local.terminal import plain
from deploy.local.transcribe.inputs import Recording, gather
from deploy.local.transcribe.order import stems_of
from shared.errors import SettingsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with some files."""
    for name in ("b.mp3", "a.mp3", "a.wav", "[x].mp3", "may/talk.mp3", "june/talk.mp3", "june/a.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stems(*names: str) -> list[str]:
    """What the results of these are called."""
    return list(stems_of([Recording(Path(name) if name != "-" else None) for name in names]).values())


def test_globs_are_sorted_and_nothing_comes_twice(folder: Path) -> None:
    """A glob stands for files, sorted, and never for folders; a file is the same however it is written; a file whose
    name looks like a glob is that file."""
    found = gather(["b.mp3", "*.mp3", f"{folder}/a.mp3", "./b.mp3", "*"])
    assert [str(recording.path) for recording in found] == ["b.mp3", "[x].mp3", "a.mp3", "a.wav"]
    assert [str(recording.path) for recording in gather(["**/talk.mp3"])] == ["june/talk.mp3", "may/talk.mp3"]
    assert [str(recording.path) for recording in gather(["[x].mp3"])] == ["[x].mp3"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """A line for each word that stands for nothing."""
    with pytest.raises(SettingsError) as refused:
        gather(["a.mp3", "no.mp3", "june", "*.flac"])
    assert refused.value.message.splitlines() == [
        "no.mp3: there is no such file",
        "june: it is a folder; say which files of it, such as 'june/*.mp3'",
        "*.flac: no file matches",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.mp3", "b.mp3"], ["a", "b"]),
        (["a.mp3", "a.wav", "b.mp3"], ["b", "a.mp3", "a.wav"]),
        (["may/talk.mp3", "june/talk.mp3"], ["may/talk", "june/talk"]),
        (["a.mp3", "A.mp3"], None),
        (["a.b.mp3", "a.mp3", "a.wav"], ["a.b", "a.mp3", "a.wav"]),
        (["a", "a.mp3"], ["a", "a.mp3"]),
        (["x/a.mp3.wav", "y/a.mp3", "y/a.ogg"], ["a.mp3", "a.ogg", "y/a"]),
        (["-", "a.mp3"], ["stdin", "a"]),
        (["-", "stdin.mp3"], ["stdin", "stdin.mp3"]),
    ],
    ids=["plain", "endings", "folders", "capitals", "dots", "none", "chain", "stdin", "like-stdin"],
)
def test_no_two_results_have_one_name(names: list[str], expected: list[str] | None) -> None:
    """Names are as short as they can be and still differ; where they cannot, nothing is begun."""
    if expected is None:
        with pytest.raises(SettingsError, match="one name"):
            stems(*names)
    else:
        assert stems(*names) == expected


def test_foreign_words_move_no_cursor() -> None:
    """What a terminal would obey is replaced; letters of all languages stay."""
    assert plain("a\x1b]0;x\x07b\r\nc\u202ed ünï 声") == "a�]0;x�b��c�d ünï 声"
