"""`voxmesh status` against gateways that are processes of their own."""

import asyncio
import hashlib
import json
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from deploy.local.status.snapshot import Gateway, Snapshot
from shared import keys, presence
from shared.client import MeshClient
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.form import wav
from tests.fakes.terminal import VOXMESH, Terminal
from tests.local_mesh import ROOT
from tests.mesh import gateway_process


async def status(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, with its output in a pipe."""
    command = [*VOXMESH, "status", *words]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=50
    )


def row(lines: Sequence[str], stage: str) -> list[str]:
    """The columns of a stage."""
    return next(re.split(r"\s{2,}", line) for line in lines if line.startswith(stage))


async def until_counted(url: str, stage: StageName, jobs: int) -> None:
    """Returns when the gateway, which counts every few seconds, has seen so many jobs."""
    async with Gateway(url) as gateway:

        async def counted() -> bool:
            (found,) = (each for each in (await gateway.look()).stages if each.name is stage)
            return found.leases is not None and (found.waiting or 0) + found.leases == jobs

        await wait_until(counted, description=f"the gateway has counted {jobs} jobs of {stage}")


@asynccontextmanager
async def workers(redis: Redis, engine: Mapping[str, object], *stages: StageName) -> AsyncGenerator[None]:
    """A worker of each stage that says again and again that it is there, as they do."""

    async def announce() -> None:
        while True:
            for stage in stages:
                await presence.announce(redis, stage, "w", {"concurrency": 4, **engine})
            await asyncio.sleep(1)

    task = asyncio.create_task(announce(), name="workers")
    try:
        yield
    finally:
        task.cancel()


async def test_a_snapshot_tells_what_waits_and_who_works(redis: Redis, settings: BaseSettings) -> None:
    """Queues, leases, ages, workers and engines of each stage; as JSON the same; jobs without a worker are named, and
    the status is then 1. Nothing in it is for terminals only."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    seconds, _ = await redis.time()
    await redis.zadd(keys.queue(StageName.ASR), {f"{name}:asr": (seconds - 60) * 1000 for name in ("a", "b", "c")})
    await redis.set(keys.LEASE_PREFIX + "a:asr", b"1", px=60_000)
    await redis.zadd(keys.queue(StageName.NLP), {"a:nlp": (seconds - 5) * 1000})
    asr = workers(redis, {"engine": "fake", "model": "tiny"}, StageName.ASR)
    with gateway_process(settings, port=port):
        async with MeshClient(url) as client, asr:
            await client.capabilities()
            await until_counted(url, StageName.ASR, 3)
            shown, told = await status("--url", url), await status("--json", VOXMESH_URL=url)
    assert (shown.returncode, told.returncode) == (1, 1)
    lines = shown.stdout.splitlines()
    assert re.fullmatch(rf"{url}: voxmesh 0\.1\.0, ready, [\d-]+ [\d:]+ UTC", lines[0])
    assert row(lines, "asr")[:5] == ["asr", "1", "4", "2", "1"]
    assert re.fullmatch(r"\d\d s", row(lines, "asr")[5])
    assert row(lines, "asr")[6] == "fake tiny"
    assert row(lines, "insights") == ["insights", "0", "0", "0", "0", "0 s", "no worker"]
    assert lines[-1] == "! nlp: jobs wait, and no worker is there to take them"
    assert any(line.startswith("! redis: appendonly is off") for line in lines)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown.stdout)
    stages = {stage["name"]: stage for stage in json.loads(told.stdout)["stages"]}
    assert (stages["asr"]["waiting"], stages["asr"]["leases"], stages["nlp"]["workers"]) == (2, 1, 0)


async def test_rates_are_differences_of_one_gateway(settings: BaseSettings) -> None:
    """What has come in between two looks, for a minute; where another process answers, nothing is known."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with MeshClient(url) as client, Gateway(url) as gateway:
        with gateway_process(settings, port=port):
            await client.capabilities()
            first = await gateway.look()
            for _ in range(3):
                await client.submit(wav())
            second = await gateway.look()
        with gateway_process(settings, port=port):
            await client.capabilities()
            third = await gateway.look()
    assert first.rates is None
    assert third.rates is None
    assert second.rates is not None
    assert second.rates.tasks_per_minute * _minutes(first, second) == pytest.approx(3)


def _minutes(first: Snapshot, second: Snapshot) -> float:
    return (second.at - first.at).total_seconds() / 60


async def test_without_a_key_engines_alone_are_unknown(redis: Redis, settings: BaseSettings) -> None:
    """Where keys are asked for, queues and workers can be seen all the same."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    both = workers(redis, {"engine": "fake"}, StageName.ASR, StageName.NLP)
    keyring = {"API_KEYS": f"ops:{hashlib.sha256(b'right').hexdigest()}"}
    with gateway_process(settings, port=port, environ=keyring):
        async with MeshClient(url, api_key="right") as client, both:
            await client.capabilities()
            await until_counted(url, StageName.ASR, 0)
            stranger, operator = await status("--url", url), await status("--url", url, VOXMESH_KEY="right")
    assert (stranger.returncode, operator.returncode) == (0, 0)
    assert row(stranger.stdout.splitlines(), "asr") == ["asr", "1", "4", "0", "0", "0 s", "?"]
    assert row(operator.stdout.splitlines(), "asr")[-1] == "fake"


async def test_nobody_there_is_3(redis_url: str) -> None:
    """No gateway, and something else at its address."""
    for url in (f"http://127.0.0.1:{free_port()}", redis_url.replace("redis://", "http://").removesuffix("/0")):
        done = await status("--url", url)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"voxmesh: The gateway at {url} does not answer.\n"
    assert (await status("--url", "nowhere")).returncode == 2
    assert (await status("--interval", "0")).returncode == 2


async def test_the_table_is_kept_up_to_date(redis: Redis, settings: BaseSettings) -> None:
    """On a terminal it shows what changes, stays when the gateway goes, and ends with 0 by Ctrl-C, the cursor back."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with MeshClient(url) as client:
        with gateway_process(settings, port=port) as process:
            await client.capabilities()
            with Terminal([*VOXMESH, "status", "--url", url, "--interval", "0.2"]) as terminal:
                terminal.until(lambda text: "tasks/min in" in text)
                await presence.announce(redis, StageName.ASR, "w", {"engine": "just-come", "concurrency": 4})
                await asyncio.to_thread(terminal.until, lambda text: "just-come" in text)
                process.kill()
                terminal.until(lambda text: "does not answer. The above is from" in text)
                terminal.press_ctrl_c()
                assert terminal.ended(seconds=10) == 0
    assert terminal.shown.rstrip().endswith("\x1b[?25h")
