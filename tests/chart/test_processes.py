"""The containers that the chart describes, as processes: they start, say so, work, and hand over when they are stopped.

The engines of nlp and insights take half a minute of processor to load, so fakes stand for them unless
`CHART_ENGINES=real`, as `make chart` and CI set it; all else is what the container would be.
"""

import os
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from shared.apikeys import entry_of, make
from shared.messages import StageName
from shared.models.store import Presence, listing
from shared.redis import client, open_pool
from shared.settings import BaseSettings, load
from tests.chart.helm import Manifest, manifests, of_kind
from tests.chart.machine import Cluster, Process
from tests.conftest import RedisServer, free_port, wait_until
from tests.fakes.authority import Authority
from tests.fakes.recordings import speech, wav_of
from tests.fakes.secure_redis import SecureRedis
from tests.fetching import Unavailable, leave_out
from tests.mesh import log_of, records_of

pytestmark = pytest.mark.timeout(240)  # loading models takes long where others compute beside us

MODELS = load(BaseSettings, {}).models_dir.expanduser()
PASSWORD = "p@ss/w#rd%21:+"
KEY = make()
SECRETS = {
    "voxmesh-redis/password": PASSWORD,
    "voxmesh-keys/api-keys": entry_of("chart", KEY),
    "voxmesh-links/link-secret": "of both gateways",
}
LOCAL = (
    *(
        "--set",
        "blobStore.type=volume",
        "--set",
        "blobStore.url=",
        "--set",
        "redis.tls.clientSecret=voxmesh-redis-mesh",
    ),
    *("--set", "stages.asr.device=cpu", "--set", "stages.asr.gpu.enabled=false"),
)
"""Production without what this machine lacks: the bucket and the card. Redis asks for a certificate, too."""
BRIEF = ("--set", "stageDefaults.drainSeconds=1")
SEGMENTS = 12
STAGES = tuple(StageName)


@contextmanager
def _redis(values: str, folder: Path) -> Generator[tuple[RedisServer, Mapping[str, str]]]:
    """A Redis for these values, with a user who may do what docs/redis.md says, and what is in the Secrets. That of
    production takes TLS alone, and asks for a certificate."""
    rights = "~vm:* ~arq:* resetchannels &vm:* &audio_stream:* -@all +@read +@write +@pubsub +@scripting"
    rights += " +@transaction +@connection +info +time"
    options = ("--user", "mesh", "on", f">{PASSWORD}", *rights.split())
    server, secrets = RedisServer(folder, port=free_port(), options=options), SECRETS
    if values == "production":
        try:
            authority = Authority(folder / "authority")
            theirs, ours = authority.sign("redis", "IP:127.0.0.1"), authority.sign("mesh")
            server = SecureRedis(folder, port=server.port, authority=authority, certificate=theirs, options=options)
        except Unavailable as error:
            leave_out(error)
        secrets = SECRETS | {
            "voxmesh-redis-ca/ca.crt": authority.certificate.read_text(),
            "voxmesh-redis-mesh/tls.crt": ours.certificate.read_text(),
            "voxmesh-redis-mesh/tls.key": ours.key.read_text(),
        }
    server.start()
    try:
        yield server, secrets
    finally:
        server.stop()


def _deployments(values: str) -> dict[str, Manifest]:
    options = (*LOCAL, *BRIEF) if values == "production" else BRIEF
    light = ("--set", "stages.asr.config.ASR_ENGINE=light")
    return of_kind("Deployment", manifests(values, *options, *light))


@asynccontextmanager
async def _running(deployments: dict[str, Manifest], cluster: Cluster) -> AsyncGenerator[dict[str, Process]]:
    processes = {name: Process(deployment, cluster) for name, deployment in deployments.items()}
    try:
        for process in processes.values():
            await process.until_ready()
        yield processes
    finally:
        for process in processes.values():
            process.kill()


async def _submit(gateway: Process, sound: bytes) -> str:
    form = {"include_translation": "true", "target_language": "pt", "include_insights": "true", "language": "en"}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as http:
        answer = await http.post(gateway.url("/audio/tasks"), data=form, files={"audio": ("a.wav", sound)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def _state(gateway: Process, task_id: str) -> str:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as http:
        return str((await http.get(gateway.url(f"/audio/tasks/{task_id}"))).json()["state"])


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """What the containers of a set of values find around them, with fakes for engines that take their time."""
    with _redis(request.param, tmp_path) as (server, secrets):
        yield Cluster(
            folder=tmp_path,
            redis_port=server.port,
            models=tmp_path,
            secrets=secrets,
            fakes=STAGES,
            variables={"FAKE_SECONDS": "0.25", "FAKE_SEGMENTS": str(SEGMENTS)},
        )


@pytest.mark.parametrize(
    ("values", "cluster"), [(values, values) for values in ("default", "staging", "production")], indirect=["cluster"]
)
async def test_k03_stopped_in_the_middle_of_a_job(values: str, cluster: Cluster) -> None:
    """Probes succeed as the manifests ask them; SIGTERM in the middle of a job ends each worker well within its grace
    period, and the successor goes on with the job: it ends once, with each record once."""
    deployments = _deployments(values)
    async with _running(deployments, cluster) as processes:
        pool = open_pool(load(BaseSettings, processes["asr"].environ), name="test")
        redis = client(pool)
        task_id = await _submit(processes["gateway"], wav_of(speech(6.0)))

        async def at_work() -> bool:
            return len(await records_of(redis, task_id, StageName.INSIGHTS)) >= 2

        await wait_until(at_work, description="each stage is in the middle of its job")
        for stage in STAGES:
            processes[stage].terminate()
        assert [processes[stage].wait() for stage in STAGES] == [0, 0, 0, 0]
        assert len(await records_of(redis, task_id, StageName.ASR)) < SEGMENTS, "nothing was left to continue"
        async with _running({stage: deployments[stage] for stage in STAGES}, cluster):

            async def ended() -> bool:
                return await _state(processes["gateway"], task_id) == "completed"

            await wait_until(ended, description="the task is continued to its end")
        for stage in STAGES:  # the last is the end record
            assert await records_of(redis, task_id, stage) == [*range(1, SEGMENTS + 2)]
        assert [event.step.terminal for event in await log_of(redis, task_id)].count(True) == 1
        await pool.aclose()
        processes["gateway"].terminate()
        assert processes["gateway"].wait() == 0


@pytest.mark.timeout(480)
async def test_a_recording_goes_through_the_default_mesh(
    tmp_path: Path, redis_server: RedisServer, redis_url: str
) -> None:
    """The default values run the real commands with the models of the pack: a recording is transcribed and translated,
    and everything stops in time."""
    if any(model.presence is not Presence.READY for model in listing(MODELS) if model.model.default):
        pytest.skip("the models have not been fetched: `make models`")
    assert redis_url == redis_server.url, "it is empty"
    fakes = () if os.environ.get("CHART_ENGINES") == "real" else (StageName.NLP, StageName.INSIGHTS)
    cluster = Cluster(folder=tmp_path, redis_port=redis_server.port, models=MODELS, fakes=fakes)
    async with _running(_deployments("default"), cluster) as processes:
        task_id = await _submit(processes["gateway"], wav_of(speech(6.0)))

        async def ended() -> bool:
            return await _state(processes["gateway"], task_id) == "completed"

        await wait_until(ended, description="the recording has gone through", seconds=120)
        async with httpx.AsyncClient(timeout=20) as http:
            url = processes["gateway"].url(f"/audio/tasks/{task_id}/result?format=txt&translated=true")
            assert "revisão semanal" in (await http.get(url)).text
        for process in processes.values():
            process.terminate()
        assert {name: process.wait() for name, process in processes.items()} == dict.fromkeys(processes, 0)


async def test_k07_started_and_live_without_redis(tmp_path: Path) -> None:
    """A worker whose Redis is away has started and lives, so nobody kills it, but is not ready."""
    cluster = Cluster(folder=tmp_path, redis_port=free_port(), models=tmp_path, fakes=STAGES)
    process = Process(_deployments("staging")["nlp"], cluster)
    try:
        await wait_until(lambda: process.answers("startup"), description="it has started", seconds=60)
        assert await process.answers("liveness")
        assert not await process.answers("readiness")
    finally:
        process.kill()
