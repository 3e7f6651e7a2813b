"""`voxmesh transcribe` with its output piped: what goes where, what the statuses mean, what befalls it on the way."""

import hashlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from shared.client import SyncMeshClient
from shared.messages import State
from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.fakes.terminal import VOXMESH, Run
from tests.local_mesh import ROOT, LocalMesh, local_mesh
from tests.mesh import gateway_process

TEXT = "Sentence 1.\nSentence 2.\nSentence 3.\n"
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


def test_standard_output_has_the_text_and_nothing_else(run: Run, talk: Path) -> None:
    """A line for each step goes to standard error; neither stream has a control character in it, even where somebody
    has asked for colours."""
    done = run(talk.name, FORCE_COLOR="1", TTY_COMPATIBLE="1")
    assert (done.returncode, done.stdout.decode()) == (0, TEXT)
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "talk.ogg: sending it"
    assert lines[-1] == "talk.ogg: done"
    assert "talk.ogg:  30 % The transcript is ready" in lines
    assert not CONTROL.search(done.stdout + done.stderr)


def test_files_are_named_after_the_recordings(run: Run, talk: Path, tmp_path: Path) -> None:
    """One for each format and one for each translation, those of an earlier run replaced; JSON holds everything."""
    (tmp_path / "talk.mp3").write_bytes(talk.read_bytes())
    (tmp_path / "june").mkdir()
    (tmp_path / "june/walk.ogg").write_bytes(talk.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out/walk.txt").write_text("from an earlier run")
    words = ["talk.*", "june/walk.ogg", "-o", "out", "--format", "txt,json", "-f", "vtt"]
    done = run(*words, "--translate", "pt", "--insights")
    assert done.returncode == 0, done.stderr
    stems = ("talk.mp3", "talk.ogg", "walk")
    expected = {f"{stem}.{end}" for stem in stems for end in ("txt", "pt.txt", "json", "vtt", "pt.vtt")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert (tmp_path / "out/walk.txt").read_text() == TEXT
    assert (tmp_path / "out/walk.pt.vtt").read_text().startswith("WEBVTT\n")
    assert json.loads((tmp_path / "out/talk.ogg.json").read_text())["translation"] == "Frase 1. Frase 2. Frase 3."
    assert done.stdout == b""
    assert done.stderr.decode().splitlines()[-1] == "3 of 3 done, 0 failed"


def test_one_failure_stops_nobody(run: Run, talk: Path, tmp_path: Path) -> None:
    """The others are done and written, the reason is said, and the status is 1."""
    (tmp_path / "letter.ogg").write_text("Dear Sir or Madam,\n" * 100)
    done = run("letter.ogg", talk.name, "-o", ".", "-q", "-j", "1")
    assert done.returncode == 1
    assert re.fullmatch(rb"letter\.ogg: failed: The file .* \(unsupported_media\)\n", done.stderr)
    assert (tmp_path / "talk.txt").read_text() == TEXT
    assert not (tmp_path / "letter.txt").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.mp3", "talk.ogg"], "missing.mp3: there is no such file"),
        (["*.mp3"], "*.mp3: no file matches"),
        (["."], ".: it is a folder; say which files of it, such as './*.mp3'"),
        (["talk.ogg", "-f", "srt,doc"], "--format: doc is none; there are txt, json, srt, vtt, tsv, and all"),
        (["talk.ogg", "-f", "all"], "-o: more than one file comes of this; say in which folder (-o . for this one)"),
        (["talk.ogg", "--insights"], "--insights: they stand in the json alone; add --format json"),
        (["talk.ogg", "-o", "talk.ogg"], "-o: talk.ogg cannot be made (File exists)"),
        (
            ["talk.ogg", "--url", "nowhere"],
            "--url: 'nowhere' is no address of a gateway; it looks like http://host:8000",
        ),
        (
            ["talk.ogg", "--url", "http://127.0.0.1:99999"],
            "--url: 'http://127.0.0.1:99999' is no address of a gateway; it looks like http://host:8000",
        ),
        (
            ["talk.ogg", "--url", "http://[::1"],
            "--url: 'http://[::1' is no address of a gateway; it looks like http://host:8000",
        ),
        (["https://[::1/talk.mp3"], "https://[::1/talk.mp3: it is no URL; it looks like https://host/path"),
        (["https:///talk.mp3"], "https:///talk.mp3: it is no URL; it looks like https://host/path"),
        (["talk.ogg", "--patience", "nan"], "--jobs must be 1 or more, and --patience not negative"),
        (["talk.ogg", "--translate", " "], "--translate: there is nothing in it"),
        (["talk.ogg", "--redact", " , "], "--redact: there is nothing in it"),
        (["talk\x1bc.mp3"], "talk\N{REPLACEMENT CHARACTER}c.mp3: there is no such file"),
    ],
    ids=[
        "missing",
        "glob",
        "folder",
        "format",
        "stdout",
        "insights",
        "file",
        "url",
        "port",
        "bracket",
        "recording bracket",
        "recording host",
        "patience",
        "blank target",
        "blank redact",
        "control",
    ],
)
def test_usage_is_checked_before_anything_is_sent(run: Run, talk: Path, words: list[str], said: str) -> None:
    """What cannot be is said in a line, the status is 2, and no gateway has been asked."""
    assert talk.exists()
    done = run(*words, VOXMESH_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", f"voxmesh: {said}\n")


def test_an_address_with_a_path_too_much_is_named(run: Run, talk: Path, mesh_url: str) -> None:
    """Nothing is sent to where there is no gateway, and the line says what an address looks like."""
    done = run(talk.name, VOXMESH_URL=f"{mesh_url}/audio")
    said = "voxmesh: --url: there is no gateway at this path; its address is http://host:8000\n"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", said)


def test_a_recording_is_never_written_over(run: Run, talk: Path, tmp_path: Path) -> None:
    """Not even one that is called like a result."""
    content = talk.read_bytes()
    (tmp_path / "talk.json").write_bytes(content)
    done = run("talk.json", "-o", ".", "-f", "json")
    assert done.returncode == 2
    assert b"talk.json: a recording is there" in done.stderr
    assert (tmp_path / "talk.json").read_bytes() == content


def test_what_concerns_all_is_said_once(run: Run, talk: Path, tmp_path: Path) -> None:
    """An option that the gateway refuses ends the run with 2 instead of failing each recording."""
    for name in ("b.ogg", "c.ogg"):
        (tmp_path / name).write_bytes(talk.read_bytes())
    done = run("*.ogg", "-o", "out", "--language", "two words", "-j", "1")
    assert done.returncode == 2
    assert done.stderr.count(b"unsupported_language") == 1
    assert done.stderr.decode().splitlines()[-1] == "0 of 3 done, 1 failed, 2 not sent"


def test_nobody_there_is_3(run: Run, talk: Path) -> None:
    """A gateway that does not answer, and an address at which something else does."""
    done = run(talk.name, "--patience", "0.5", VOXMESH_URL=f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (3, b"")
    assert re.fullmatch(rb"voxmesh: The gateway at http://127\.0\.0\.1:\d+ does not answer\.\n", done.stderr)


def test_no_models_is_3(run: Run, talk: Path, tmp_path: Path) -> None:
    """Without a gateway it starts a mesh of its own, which says what it lacks."""
    done = run(talk.name, VOXMESH_URL="", VOXMESH_HOME=str(tmp_path / "no"), MODELS_DIR=str(tmp_path / "none"))
    assert done.returncode == 3
    assert b"voxmesh models pull" in done.stderr


def test_the_mesh_of_this_machine_is_found(run: Run, talk: Path, whole_mesh: LocalMesh) -> None:
    """Without an address it is the one that `voxmesh up` runs, and no other is started."""
    done = run(talk.name, VOXMESH_URL="", VOXMESH_HOME=str(whole_mesh.home))
    assert (done.returncode, done.stdout.decode()) == (0, TEXT)
    assert b"starting a mesh" not in done.stderr


def test_a_key_is_asked_for_and_given(settings: BaseSettings, run: Run, talk: Path) -> None:
    """Without one, or with a wrong one, nothing is sent: 2. With the right one the task is there, and waits."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with gateway_process(settings, port=port, environ={"API_KEYS": f"web:{hashlib.sha256(b'right').hexdigest()}"}):
        with SyncMeshClient(url, api_key="right") as client:
            assert list(client.tasks()) == []  # it is up
        for key in ("", "wrong"):
            done = run(talk.name, VOXMESH_URL=url, VOXMESH_KEY=key)
            assert done.returncode == 2
            assert done.stderr.startswith(b"voxmesh: VOXMESH_KEY: ")
        command = [*VOXMESH, "transcribe", str(talk), "--url", url]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "VOXMESH_KEY": "right"}
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            first = [process.stderr.readline() for _ in range(2)]
            with SyncMeshClient(url, api_key="right") as client:
                while not list(client.tasks()):
                    pass
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 130
    assert first[0] == "no worker for asr, nlp at the moment: recordings will wait for one\n"


def test_it_goes_on_when_the_gateway_comes_back(tmp_path: Path, recording: Path) -> None:
    """The gateway is killed in mid-task: the command waits for the next one, and nothing is missing."""
    with local_mesh(tmp_path / "home", {"FAKE_SECONDS": "0.1", "FAKE_SEGMENTS": "20"}) as mesh:
        command = [*VOXMESH, "transcribe", str(recording), "--url", mesh.url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "Transcribing" not in process.stderr.readline():
                pass
            os.kill(mesh.pids["gateway"], signal.SIGKILL)
            out, _ = process.communicate(timeout=60)
        with SyncMeshClient(mesh.url) as client:
            assert [task.state for task in client.tasks()] == [State.COMPLETED]
    assert process.returncode == 0
    assert out == "".join(f"Sentence {number}.\n" for number in range(1, 21))


def test_a_gateway_that_stays_away_is_3(tmp_path: Path, recording: Path, settings: BaseSettings) -> None:
    """When patience is over the command says so; what was not sent yet is not tried."""
    port = free_port()
    for letter in "abc":
        (tmp_path / f"{letter}.ogg").write_bytes(recording.read_bytes())
    words = [str(tmp_path / "*.ogg"), "-o", str(tmp_path / "out"), "-j", "1", "--patience", "1"]
    command = [*VOXMESH, "transcribe", *words, "--url", f"http://127.0.0.1:{port}"]
    with gateway_process(settings, port=port) as gateway, SyncMeshClient(f"http://127.0.0.1:{port}") as client:
        assert list(client.tasks()) == []
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while not list(client.tasks()):
            assert process.poll() is None
        gateway.kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.splitlines()[-1] == "0 of 3 done, 1 failed, 2 not sent"
    with gateway_process(settings, port=port), SyncMeshClient(f"http://127.0.0.1:{port}") as client:
        (task,) = client.tasks()
    assert f"(unreachable); to go on with it: voxmesh transcribe --resume {task.task_id}\n" in said


def test_who_reads_the_text_may_have_had_enough(mesh_url: str, recording: Path) -> None:
    """A pipe that is closed is no reason for a traceback."""
    read, write = os.pipe()
    command = [*VOXMESH, "transcribe", str(recording), "--url", mesh_url, "-q"]
    with subprocess.Popen(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE) as process:
        os.close(read)
        os.close(write)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, b"")
