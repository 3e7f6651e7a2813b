"""What `voxmesh transcribe` takes and where it puts it: pipes, URLs, tasks that are there, long names, full disks."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from shared.client import SyncMeshClient
from tests.conftest import wait_until
from tests.fakes.receiver import answer, receiving
from tests.fakes.terminal import VOXMESH, Run
from tests.local_mesh import ROOT

pytestmark = pytest.mark.timeout(120)

TEXT = "Sentence 1.\nSentence 2.\nSentence 3.\n"


def test_standard_input_is_a_recording_too(run: Run, talk: Path) -> None:
    """As it comes through a pipe, in the format that is asked for; told to be quiet, it says nothing."""
    done = run("-", "-q", "-f", "srt", "--translate", "pt", stdin=talk.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"1\r\n00:00:00,000 --> 00:00:01,000\r\nFrase 1.\r\n")  # line ends as SubRip has them


def test_nothing_on_standard_input_is_a_failure(mesh_url: str) -> None:
    """A device that no event loop can wait for is read like a file: started without input, the command ends."""
    command = [*VOXMESH, "transcribe", "-", "-q", "--url", mesh_url]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"stdin: failed: ")


async def test_a_recording_by_its_url_is_one_too(mesh_url: str, tmp_path: Path, talk: Path) -> None:
    """Its results are called after the end of the URL; what cannot be fetched stops nobody, and no signature is
    shown."""
    words = ["{}/talks/monday%20(1).ogg?signature=secret", "{}/gone.ogg", "-o", "out", "-j", "1"]
    async with receiving(answer(200, talk.read_bytes()), answer(404)) as receiver:
        process = await asyncio.create_subprocess_exec(
            *[*VOXMESH, "transcribe", "--url", mesh_url, *(word.format(receiver.url) for word in words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert (tmp_path / "out/monday (1).txt").read_text() == TEXT
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["monday (1).txt"]
    assert "/gone.ogg: failed: What 'audio_url' names cannot be fetched" in said.decode()
    assert b"secret" not in said


def test_a_fifo_may_wait_for_who_writes_to_it(mesh_url: str, tmp_path: Path, recording: Path) -> None:
    """That nothing comes is told, before the gateway is bothered. It is sent as it comes, and Ctrl-C ends the command
    while nobody writes."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [*VOXMESH, "transcribe", str(fifo), "--url", mesh_url]
    for writes, status, text in ((False, 130, ""), (True, 0, TEXT)):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == f"{fifo}: sending it\n"
            assert process.stderr.readline() == f"{fifo}: nothing has come of it yet; waiting\n"
            if writes:
                fifo.write_bytes(recording.read_bytes())
            else:
                process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (status, text)


def test_a_task_that_is_there_can_be_gone_on_with(run: Run, talk: Path, mesh_url: str) -> None:
    """In any format; one that is not known is a failure, and what is no id is said before anything is sent."""
    with SyncMeshClient(mesh_url) as client:
        task_id = client.submit(talk, include_translation=True, target_language="pt")
    done = run("--resume", task_id, "--translate", "pt")
    assert (done.returncode, done.stdout.decode()) == (0, "Frase 1.\nFrase 2.\nFrase 3.\n")
    done = run("--resume", task_id, "-o", ".", "-f", "srt")
    assert done.stderr.decode().splitlines()[-1] == f"task {task_id}: done: {task_id}.srt"
    done = run("--resume", "0" * 32)
    assert (done.returncode, b"no_such_task" in done.stderr) == (1, True)
    done = run("--resume", "../x")
    assert (done.returncode, done.stderr) == (2, b"voxmesh: --resume: ../x is no task\n")


def test_a_name_may_be_as_long_as_the_disk_has_it(run: Run, talk: Path, tmp_path: Path) -> None:
    """A longer one is refused before anything is sent, of a result and of a recording."""
    longest = tmp_path / f"{'x' * 251}.ogg"
    longest.write_bytes(talk.read_bytes())
    done = run(longest.name, "-o", "out")
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (
        0,
        [f"{longest.name}: done: out/{'x' * 251}.txt".encode()],
    )
    for words in ([longest.name, "-f", "json", "-o", "out"], [longest.name, "--translate", "pt", "-o", "out"]):
        done = run(*words, VOXMESH_URL="http://127.0.0.1:1")
        assert done.returncode == 2
        assert done.stderr.endswith(
            b"its result would have more than 255 bytes; send it as standard input, or under a shorter name\n"
        )
    done = run("y" * 300)
    assert (done.returncode, done.stderr.decode()) == (
        2,
        f"voxmesh: {'y' * 300}: it cannot be read (File name too long)\n",
    )


def test_words_that_are_no_text_do_no_harm(run: Run, talk: Path, tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is transcribed like any other, and a prompt that is not is refused by its name."""
    name = os.fsdecode(b"caf\xe9.ogg")
    talk.rename(tmp_path / name)
    done = run(name, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [os.fsdecode(b"caf\xe9.txt")]
    refused = run(name, "--initial-prompt", os.fsdecode(b"\xff"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"The field 'initial_prompt' is not UTF-8 text. (bad_field)" in refused.stderr


def test_a_device_is_no_recording(run: Run) -> None:
    """One that never ends neither."""
    for device in ("/dev/null", "/dev/full"):
        done = run(device)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"The file is empty (0 bytes)" in done.stderr


def test_output_that_takes_no_more_is_named(talk: Path, mesh_url: str) -> None:
    """A full disk behind standard output is a failure, told in a line."""
    command = [*VOXMESH, "transcribe", str(talk), "--url", mesh_url, "-q"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"voxmesh: standard output: No space left on device\n")


def test_under_nohup_a_closed_terminal_is_no_end(mesh_url: str, recording: Path) -> None:
    """SIGHUP, which ends the command otherwise, does nothing."""
    command = ["nohup", *VOXMESH, "transcribe", "-", "--url", mesh_url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"stdin: sending it\n"
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(recording.read_bytes(), timeout=30)
    assert (process.returncode, out.decode()) == (0, TEXT)


async def test_a_pipe_that_stalls_can_be_left(mesh_url: str, recording: Path) -> None:
    """Ctrl-C ends the command at once in the middle of what comes from a pipe, and no task is left behind."""
    with SyncMeshClient(mesh_url) as client:
        before = len(list(client.tasks()))
        command = [*VOXMESH, "transcribe", "-", "--url", mesh_url]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(recording.read_bytes()[:4096])
            process.stdin.flush()
            assert process.stderr.readline() == b"stdin: sending it\n"
            process.send_signal(signal.SIGINT)
            await wait_until(lambda: process.poll() is not None, description="it has ended", seconds=10)
        assert process.returncode == 130
        assert len(list(client.tasks())) == before
