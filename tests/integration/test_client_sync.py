"""`SyncMeshClient`: the same client for programs without an event loop."""

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from shared.client import MeshClient, MeshRefused, MeshUnreachable, SyncMeshClient
from shared.messages import Result, State, Step
from tests.conftest import free_port
from tests.fakes.form import wav
from tests.local_mesh import ROOT


def methods_of(kind: type) -> dict[str, Callable[..., Any]]:
    """The public methods of a class."""
    return {name: method for name, method in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


def test_it_has_what_the_asynchronous_one_has() -> None:
    """Each method has the same parameters with the same defaults, and returns what is awaited or iterated there."""
    ours, theirs = methods_of(SyncMeshClient), methods_of(MeshClient)
    assert ours.keys() - {"close"} == theirs.keys()
    for name, method in theirs.items():
        there, here = inspect.signature(method), inspect.signature(ours[name])
        assert here.parameters == there.parameters, name
        returned, expected = get_type_hints(ours[name])["return"], get_type_hints(method)["return"]
        if get_origin(expected) is AsyncGenerator:
            assert get_origin(returned) is Generator
            assert get_args(returned)[0] == get_args(expected)[0]
        else:
            assert returned == expected


def test_a_recording_comes_back(mesh_url: str, recording: Path) -> None:
    """Submitted, watched, listed, fetched, on one stream with another, without a word of asyncio."""
    with SyncMeshClient(mesh_url) as client:
        updates = list(client.watch(recording, language="en"))
        result = updates[-1].partial
        assert isinstance(result, Result)
        other = client.submit_text("Sentence one.", language="en")
        both = {update.task_id for update in client.events_of([result.task_id, other])}
        assert both == {result.task_id, other}
        assert client.result(result.task_id) == result
        assert client.task(other).step is Step.COMPLETED
        assert result.task_id in {task.task_id for task in client.tasks(state=State.COMPLETED)}
        assert client.capabilities()["ready"] is True
        with pytest.raises(MeshRefused):
            client.cancel(other)


def test_a_generator_that_is_left_holds_nothing(mesh_url: str, recording: Path) -> None:
    """Whoever leaves a stream in the middle may use the client at once, and close it."""
    before = threading.active_count()
    with SyncMeshClient(mesh_url) as client:
        for update in client.watch(recording):
            assert update.step is Step.STARTED
            break
        kept = client.events(client.submit(wav()))
        next(kept)
    kept.close()
    assert threading.active_count() == before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT does what it does in a program, also where tests run in a process that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_call_ends_at_once() -> None:
    """Ctrl-C gets through to whoever waits for a gateway that is away, and the client can be closed afterwards."""
    main = threading.main_thread().ident
    assert main is not None
    with SyncMeshClient(f"http://127.0.0.1:{free_port()}", patience=120) as client:
        timer = threading.Timer(0.5, signal.pthread_kill, [main, signal.SIGINT])
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.task("t")
        assert time.monotonic() - started < 30
        timer.join()


def test_errors_are_the_same() -> None:
    """What is raised there is raised here; a client that was closed says so, and may be closed again."""
    client = SyncMeshClient(f"http://127.0.0.1:{free_port()}", patience=0.1)
    with pytest.raises(MeshUnreachable):
        client.task("t")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.task("t")
    with pytest.raises(ValueError, match="http://host:8000"):
        SyncMeshClient("nowhere")


FORGETFUL = """
import sys
from shared.client import SyncMeshClient
client = SyncMeshClient(sys.argv[1])
updates = client.watch(sys.stdin.buffer.read())
print(next(updates).step)
"""


def test_a_program_that_forgets_to_close_it_ends(mesh_url: str) -> None:
    """A stream that is left open in a module holds up no interpreter, and nothing is complained about."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGETFUL, mesh_url],
        input=wav(),
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=30,
        check=True,
    )
    assert done.stdout == b"started\n"
    assert done.stderr == b""


def test_a_forked_process_is_told_to_make_its_own() -> None:
    """Where only the memory of a client has come along, calls are refused instead of waiting for ever."""
    with SyncMeshClient(f"http://127.0.0.1:{free_port()}", patience=0.1) as client:
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # ends a child that waits
            try:
                client.task("t")
            except RuntimeError as error:
                client.close()
                os._exit(7 if "make another" in str(error) else 8)
            os._exit(9)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        with pytest.raises(MeshUnreachable):
            client.task("t")


def test_a_recording_cannot_wait_for_the_client_that_sends_it(mesh_url: str) -> None:
    """It is asked for on the thread that would have to answer."""
    with SyncMeshClient(mesh_url) as client:

        async def pieces() -> AsyncGenerator[bytes]:
            yield str(client.capabilities()).encode()

        with pytest.raises(RuntimeError, match="cannot use the client"):
            client.submit(pieces())
