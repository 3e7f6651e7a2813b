"""The gateway as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.fakes.gateway import blocks, until_ready
from tests.fakes.task import LiveTask
from tests.mesh import ROOT, gateway_process

COMMAND = [sys.executable, "-m", "services.gateway.app"]


async def test_it_is_small_and_stops_in_good_order(redis: Redis, settings: BaseSettings) -> None:
    """Idle below 150 MB; SIGTERM ends it with 0, long before its grace is over, an open stream or not."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    task = await LiveTask(redis).create()
    with gateway_process(settings, port=port, environ={"SHUTDOWN_SECONDS": "60"}) as process:
        async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:
            await until_ready(client)
            assert psutil.Process(process.pid).memory_info().rss < 150e6
            async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                pieces = blocks(response)
                assert await anext(pieces) == b": open"
                process.send_signal(signal.SIGTERM)
                before = time.monotonic()
                (hint,) = [piece async for piece in pieces]
                assert hint.startswith(b"retry: ")
            assert process.wait(30) == 0
            assert time.monotonic() - before < 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "99999"),
        ("REDIS_URL", "http://nowhere"),
        ("BLOB_URL", "nonsense"),
        ("MAX_UPLOAD_BYTES", "0"),
        ("PING_SECONDS", "nan"),
        ("PING_SECONDS", "60"),
        ("DEFAULT_TARGET_LANGUAGE", "gibberish"),
        ("DEFAULT_TOPICS", ",".join(map(str, range(60)))),
        ("DEFAULT_ENTITY_LABELS", "x" * 200),
    ],
    ids=["port", "high port", "redis", "blobs", "size", "nan", "silence", "language", "topics", "label"],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, name: str, value: str) -> None:
    """One line that names the variable, and status 2."""
    good = {"BLOB_URL": f"file://{tmp_path}/blobs", "SPOOL_DIR": f"{tmp_path}/spool", "PORT": str(free_port())}
    environ = os.environ | good | {name: value}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: ")
    assert done.stderr.count("\n") == 1
