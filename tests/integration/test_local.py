"""The mesh on one machine: starts whole, lives through the death of its parts, ends without a trace, keeps its data."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local import home
from deploy.local.home import claimed
from shared.client import MeshClient, Options, Update
from shared.errors import SettingsError
from shared.messages import Step
from tests.conftest import wait_until
from tests.local_mesh import ROOT, LocalMesh, local_mesh

EVERYTHING = Options(language="en", target_language="pt", include_translation=True, include_insights=True)


async def through(url: str, recording: Path) -> list[Update]:
    """All events of one task."""
    async with MeshClient(url) as client:
        return [update async for update in client.watch(recording, **EVERYTHING)]


def alive(pids: Sequence[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def voxmesh(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    command = [sys.executable, "-m", "deploy.local.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    """After Ctrl-C the mesh has ended with 0 within ten seconds, and no process of it is left."""
    with local_mesh(tmp_path) as mesh:
        assert len(mesh.pids) == 6
        assert alive(list(mesh.pids.values())) == list(mesh.pids.values())
        assert mesh.stop() == 0
        assert alive(list(mesh.pids.values())) == []


def test_a_worker_that_is_stuck_holds_up_nothing(tmp_path: Path, recording: Path) -> None:
    """With a task that never ends, Ctrl-C ends the demo with 130 and the mesh within ten seconds, whole."""
    with local_mesh(tmp_path, {"FAKE_STALL_AT": "2"}) as mesh:
        command = [sys.executable, "-m", "deploy.local.cli", "demo", str(recording), "--url", mesh.url, "--json"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            while '"step":"transcription"' not in demo.stdout.readline():
                pass
            demo.send_signal(signal.SIGINT)
            assert demo.wait(10) == 130
        assert mesh.stop() == 0
        assert alive(list(mesh.pids.values())) == []


async def test_no_process_outlives_a_mesh_that_is_killed(tmp_path: Path) -> None:
    """The kernel ends every part when the mesh itself is killed outright."""
    with local_mesh(tmp_path) as mesh:
        mesh.process.kill()
        mesh.process.wait()
        await wait_until(lambda: not alive(list(mesh.pids.values())), description="all parts are gone")


async def test_parts_that_die_are_started_again(tmp_path: Path, recording: Path) -> None:
    """After a worker, the gateway and Redis were killed, a task goes through the mesh as before."""
    with local_mesh(tmp_path) as mesh:
        for name in ("asr", "gateway", "redis"):
            os.kill(mesh.pids[name], signal.SIGKILL)
            await wait_until(lambda: answers(mesh), description=f"the mesh is ready again without its first {name}")
        updates = await through(mesh.url, recording)
    assert updates[-1].step is Step.COMPLETED


async def answers(mesh: LocalMesh) -> bool:
    async with httpx.AsyncClient(base_url=mesh.url) as http:
        try:
            return (await http.get("/health/ready")).is_success
        except httpx.TransportError:
            return False


async def test_tasks_survive_a_restart(tmp_path: Path, recording: Path) -> None:
    """A mesh that is started again in the same folder has the tasks of the last one, and takes new ones."""
    with local_mesh(tmp_path) as mesh:
        before = await through(mesh.url, recording)
    with local_mesh(tmp_path) as mesh:
        async with MeshClient(mesh.url) as client:
            after = [update async for update in client.events(before[0].task_id)]
        again = await through(mesh.url, recording)
    assert after == before
    assert again[-1].step is Step.COMPLETED


async def test_a_client_lives_through_the_loss_of_the_gateway(tmp_path: Path, recording: Path) -> None:
    """A stream that breaks off goes on behind the last event that came: nothing is missing, nothing comes twice."""
    with local_mesh(tmp_path) as mesh:
        async with MeshClient(mesh.url) as client:
            updates: list[Update] = []
            async for update in client.watch(recording, **EVERYTHING):
                if not updates:
                    os.kill(mesh.pids["gateway"], signal.SIGKILL)
                updates.append(update)
            whole = [update async for update in client.events(updates[0].task_id)]
    assert updates == whole


def test_the_command_tells_its_version(mesh_url: str) -> None:
    """The one that a mesh of it tells."""
    done = voxmesh("--version")
    told = httpx.get(f"{mesh_url}/audio/capabilities").json()["version"]
    assert (done.returncode, done.stdout) == (0, f"voxmesh {told}\n")


def test_the_demo_prints_the_stream(mesh_url: str, recording: Path) -> None:
    """The demo shows every step of the guide with its percentage, in order, also where there is no terminal."""
    done = voxmesh("demo", str(recording), "--url", mesh_url)
    steps = re.findall(r"^ *(\d+) % +(\w+)", done.stdout, flags=re.MULTILINE)
    shown = list(dict.fromkeys((step, int(percent)) for percent, step in steps if not step.startswith("trans")))
    assert done.returncode == 0, done.stderr
    assert [item for item in shown if item[0] != "queued"] == [
        ("started", 5),
        ("ner", 60),
        ("ner_complete", 65),
        ("classification", 70),
        ("classification_complete", 75),
        ("summarization", 80),
        ("summarization_complete", 85),
        ("insights", 90),
        ("insights_complete", 95),
        ("completed", 100),
    ]
    assert "Sentence 1. Sentence 2. Sentence 3." in done.stdout


def test_the_demo_prints_json_lines(mesh_url: str, recording: Path) -> None:
    """With --json, standard output is one event a line and nothing else."""
    done = voxmesh("demo", str(recording), "--url", mesh_url, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["step"] == "completed"
    assert {event["task_id"] for event in events} == {events[0]["task_id"]}


def test_the_demo_fails_with_the_reason(mesh_url: str, tmp_path: Path) -> None:
    """A file that is no recording is refused in a sentence, and the status is 1."""
    text = tmp_path / "letter.wav"
    text.write_text("Dear Sir or Madam,\n" * 100)
    done = voxmesh("demo", str(text), "--url", mesh_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"voxmesh: [A-Z].* \(unsupported_media\)\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("demo", "--target", "gibberish"), "--target: 'gibberish' is not a language"),
        (("demo", "--target", "pt", "--no-translation"), "--target: it asks for a translation, and --no-translation"),
        (("demo", "--language", "gibberish"), "--language: 'gibberish' is not a language"),
        (("transcribe", "deploy/local/sample.ogg", "--translate", "gibberish"), "--translate: 'gibberish' is not"),
        (("transcribe", "deploy/local/sample.ogg", "--translate", "de"), "--translate: no model here translates to de"),
        (
            ("transcribe", "deploy/local/sample.ogg", "--translate", "pt-BR", "--language", "French"),
            "--translate: no model here translates from fr to pt. There are: en to pt, pt to en;",
        ),
        (("demo", "--url", "nonsense"), "--url: 'nonsense' is no address of a gateway"),
        (("demo", "--url", "http://127.0.0.1:99999"), "--url: 'http://127.0.0.1:99999' is no address"),
        (("status", "--once", "--url", "http://127.0.0.1:port"), "--url: 'http://127.0.0.1:port' is no address"),
        (("status", "--interval", "inf"), "--interval: it must be more than 0, and at most 86400"),
        (("models", "list", "whisper-base"), "models list: it takes no names"),
        (("models", "pull", "--dry-run"), "models pull: --dry-run goes with gc alone"),
        (("webhook-secret", "no such;"), "'no such;' cannot be a name"),
        (("demo", "--language", "en", "--target", "ja"), "--target: no model here translates from en to ja"),
        (("demo", "--language", "de"), "--language, without --no-translation: no model here translates from de to pt"),
    ],
    ids=[
        "target",
        "contradiction",
        "language",
        "translate",
        "to",
        "pair",
        "demo address",
        "demo port",
        "status port",
        "interval",
        "names",
        "dry run",
        "tenant",
        "demo pair",
        "default",
    ],
)
def test_no_mesh_is_started_for_what_cannot_be(tmp_path: Path, words: Sequence[str], fault: str) -> None:
    """It is refused at once, and nothing else is said."""
    done = voxmesh(*words, VOXMESH_HOME=str(tmp_path), VOXMESH_URL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"voxmesh: {fault}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("status", "--once"), ("doctor",), ("models", "list"), ("key", "web")],
    ids=["status", "doctor", "models", "key"],
)
def test_a_reader_that_has_had_enough_sees_no_traceback(arguments: Sequence[str], whole_mesh: LocalMesh) -> None:
    """`voxmesh … | head`: a pipe that is closed ends the command with 1, without a word about it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.local.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "VOXMESH_HOME": str(whole_mesh.home)},
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert not re.search("Traceback|Broken|Exception", done.stderr), done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """`up` on a port in use says so in one line and exits with 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = voxmesh("up", "--port", port, VOXMESH_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"voxmesh: PORT: another program uses {port} on 127.0.0.1; choose another\n"


def test_two_meshes_do_not_share_a_folder(tmp_path: Path) -> None:
    """`up` in the folder of a mesh that runs is refused with 2."""
    with claimed(tmp_path):
        done = voxmesh("up", "--port", "0", VOXMESH_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "another mesh runs" in done.stderr


def test_a_redis_that_is_not_there_is_named(tmp_path: Path) -> None:
    """`up` with a REDIS_URL that nobody answers says so and exits with 2, instead of waiting for ever."""
    done = voxmesh("up", "--port", "0", VOXMESH_HOME=str(tmp_path), REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("voxmesh: REDIS_URL: Redis does not answer")


def test_a_missing_model_stops_the_start(tmp_path: Path) -> None:
    """Without models `up` ends with 3 and the line that says what to do, and leaves nothing behind."""
    done = voxmesh("up", "--port", "0", VOXMESH_HOME=str(tmp_path), MODELS_DIR=str(tmp_path / "none"))
    assert done.returncode == 3
    assert "voxmesh models pull" in done.stderr


def test_a_short_secret_is_named(tmp_path: Path) -> None:
    """A `WEBHOOK_SECRET` that could be guessed is a bad setting like any other, wherever it is read; the line that says
    so does not have it in it."""
    for command in (("gateway",), ("up", "--port", "0"), ("webhook-secret",)):
        done = voxmesh(*command, VOXMESH_HOME=str(tmp_path), WEBHOOK_SECRET="hush" * 7)
        assert (done.returncode, done.stdout) == (2, "")
        fault = "WEBHOOK_SECRET: must have 32 characters or more, and has 28; `openssl rand -hex 32` makes one"
        assert done.stderr.splitlines()[-1].removeprefix("voxmesh: ").endswith(fault), done.stderr
        assert "hush" not in done.stderr


def test_a_folder_without_room_is_named(tmp_path: Path) -> None:
    """`up` where its folders cannot be made says which one, and exits with 2 before anything starts."""
    (tmp_path / "logs").write_text("")
    done = voxmesh("up", "--port", "0", VOXMESH_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"voxmesh: VOXMESH_HOME: {tmp_path}/logs cannot be made (File exists)"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services on a full disk could not even log what is wrong, so none is started."""
    monkeypatch.setattr(home, "LEAST_BYTES", 1 << 60)
    with pytest.raises(SettingsError, match=r"^VOXMESH_HOME: .* MiB are left"):
        home.prepare(tmp_path)


def test_the_doctor_sees_a_state_folder_that_cannot_be(tmp_path: Path) -> None:
    """What would stop `up` is found before, with a way out."""
    (tmp_path / "file").write_text("")
    done = voxmesh("doctor", VOXMESH_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert re.search(r"^no  state .*file/home cannot be written  -> .*VOXMESH_HOME", done.stdout, re.MULTILINE)
