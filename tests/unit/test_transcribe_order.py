"""What `voxmesh transcribe` makes of the words of its command line."""

import argparse
from pathlib import Path

import pytest

from deploy.local.found import key_of
from deploy.local.terminal import plain
from deploy.local.transcribe.arguments import describe
from deploy.local.transcribe.inputs import Recording, gather
from deploy.local.transcribe.order import order_of, stems_of
from shared.client import MeshClient
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


@pytest.mark.parametrize("language", ["de", "DE", "German"])
def test_a_translation_takes_no_name_of_another_text(folder: Path, language: str) -> None:
    """The German of `a.mp3` would be written over what was said in `a.de.mp3`: nothing is begun."""
    (folder / "a.de.mp3").write_text("")
    parser = argparse.ArgumentParser()
    describe(parser)
    words = ["a.mp3", "a.de.mp3", "-o", "texts"]
    order_of(parser.parse_args([*words, "--translate", "fr"]), gather(words[:2]))
    with pytest.raises(SettingsError, match=r"a.mp3, a.de.mp3: their results would have one name"):
        order_of(parser.parse_args([*words, "--translate", language]), gather(words[:2]))


@pytest.mark.parametrize(("given", "key"), [("k1\n", "k1"), ("", ""), ("k\n1", None), ("k…", None)])
def test_a_key_that_cannot_be_sent_is_not_tried(given: str, key: str | None) -> None:
    """The end of a line is left out, whatever else is in the way is said; the key itself is not."""
    if key is not None:
        assert key_of({"VOXMESH_KEY": given}) == key
        return
    with pytest.raises(SettingsError, match="VOXMESH_KEY") as refused:
        key_of({"VOXMESH_KEY": given})
    assert given not in str(refused.value)
    with pytest.raises(ValueError, match="api_key has characters"):
        MeshClient("http://127.0.0.1:1", api_key=given)


def test_foreign_words_move_no_cursor() -> None:
    """What a terminal would obey is replaced; letters of all languages stay."""
    assert plain("a\x1b]0;x\x07b\r\nc\u202ed ünï 声") == "a�]0;x�b��c�d ünï 声"
