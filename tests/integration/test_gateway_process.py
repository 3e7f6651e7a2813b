"""The gateway as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from shared.redis import Redis
from tests.conftest import free_port, wait_until
from tests.fakes.gateway import blocks
from tests.fakes.task import LiveTask

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "services.gateway.app"]


@contextmanager
def started(environ: dict[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    """The process; killed behind the block if it still runs."""
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=os.environ | environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_it_is_small_and_stops_in_good_order(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Idle below 150 MB; SIGTERM ends it with 0 within two seconds, an open stream or not."""
    port = free_port()
    environ = {
        "REDIS_URL": redis_url,
        "BLOB_URL": f"file://{tmp_path}/blobs",
        "SPOOL_DIR": f"{tmp_path}/spool",
        "PORT": str(port),
    }
    base = f"http://127.0.0.1:{port}"
    task = await LiveTask(redis).create()
    with started(environ) as process:
        async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:

            async def ready() -> bool:
                try:
                    return (await client.get("/health/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await wait_until(ready, description="the gateway is ready")
            assert psutil.Process(process.pid).memory_info().rss < 150e6
            async with client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                pieces = blocks(response)
                assert await anext(pieces) == b"retry: 2000"
                process.send_signal(signal.SIGTERM)
                before = time.monotonic()
                assert [piece async for piece in pieces] == []
            assert process.wait(10) == 0
            assert time.monotonic() - before < 2


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "eighty"), ("REDIS_URL", "http://nowhere"), ("BLOB_URL", "nonsense")]
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, name: str, value: str) -> None:
    """One line that names the variable, and status 2."""
    good = {"BLOB_URL": f"file://{tmp_path}/blobs", "SPOOL_DIR": f"{tmp_path}/spool", "PORT": str(free_port())}
    environ = os.environ | good | {name: value}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: ")
    assert done.stderr.count("\n") == 1
