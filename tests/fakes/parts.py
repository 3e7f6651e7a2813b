"""Each part of a mesh that connects to Redis, tried with given settings."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from deploy.local.doctor import doctor
from shared.mesh import Mesh
from shared.messages import StageName
from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.fakes.form import wav
from tests.fakes.gateway import frames, until_ready
from tests.mesh import gateway_process, worker_process


def environ_of(settings: BaseSettings) -> Mapping[str, str]:
    """The variables that say where Redis is, as an operator sets them."""
    values = {name: getattr(settings, name) for name in settings.__struct_fields__ if name.startswith("redis_")}
    return {name.upper(): str(value) for name, value in values.items() if value is not None}


@asynccontextmanager
async def parts(settings: BaseSettings, environ: Mapping[str, str] | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    """A gateway and a worker of asr and of nlp, each a process; a client of the gateway, which is ready."""
    port = free_port()
    given = {**environ_of(settings), "LOG_LEVEL": "debug", **(environ or {})}
    with (
        gateway_process(settings, port=port, environ=given),
        worker_process(StageName.ASR, settings, given),
        worker_process(StageName.NLP, settings, given),
    ):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            await until_ready(client)
            yield client


async def listen_to_the_end(client: httpx.AsyncClient) -> str:
    """Submit a recording and watch it: gateway, hub, both workers and their wake-ups take part. The last event."""
    request = client.stream("POST", "/audio/process-stream-realtime", files={"audio": ("a.wav", wav())})
    async with request as response:
        assert response.status_code == 200, await response.aread()
        return [data async for _, data in frames(response)][-1].decode()


async def try_the_others(settings: BaseSettings, folder: Path) -> int:
    """A direct call of a stage, and the doctor, whose status is the answer."""
    async with Mesh(settings) as mesh:
        assert len((await mesh.call("nlp", ["A sentence."], deadline=20)).segments) == 1
    return await doctor({**os.environ, **environ_of(settings), "VOXMESH_HOME": str(folder)})
