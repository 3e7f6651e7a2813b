"""`?debug=true`: who worked on a task, when and for how long, and what it waited for."""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY

from services.gateway.settings import Settings
from shared import keys
from shared.client import MeshClient
from shared.messages import StageName
from shared.redis import Redis
from shared.scripts import Exhausted, Lost, Scripts
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.calls import once
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.receiver import answer, receiving
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, submit, until_ended, working

ASR, NLP = StageName.ASR, StageName.NLP
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
SOUND = {"audio": ("call.wav", wav())}


async def shown(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """The task as it is told in detail."""
    response = await client.get(f"/audio/tasks/{task_id}", params={"debug": "true"})
    assert response.status_code == 200, response.text
    return response.json()


def told(timeline: Sequence[dict[str, Any]], stage: StageName | None = None) -> list[str]:
    """What happened, in order; of a stage alone, or all of it."""
    return [moment["what"] for moment in timeline if stage is None or moment.get("stage") == stage]


async def test_the_life_of_a_task_is_told(gateway_settings: Settings, settings: BaseSettings, redis: Redis) -> None:
    """From its acceptance to its webhook, each stage with worker and waits, under the trace of the client. Who does not
    ask for it is told nothing of it."""
    hooked = msgspec.structs.replace(gateway_settings, webhook_secret="s" * 40, outbound_allow="127.0.0.1/32")
    async with served(hooked) as client, receiving(answer(204)) as receiver:
        response = await client.post("/audio/tasks", files=SOUND, data={"webhook_url": receiver.url}, headers=HEADERS)
        task_id = response.json()["task_id"]
        assert told((await shown(client, task_id))["timeline"]) == ["accepted", "queued"]
        async with working(STAGES[ASR], FakeEngine(), settings), working(STAGES[NLP], FakeEngine(), settings):
            await until_ended(redis, task_id)

            async def is_told() -> bool:
                return told((await shown(client, task_id))["timeline"])[-1] == "webhook"

            await wait_until(is_told, description="the webhook is told")
        task = await shown(client, task_id)
        plain = (await client.get(f"/audio/tasks/{task_id}")).json()
        refused = await client.get(f"/audio/tasks/{task_id}?debug=perhaps")
    timeline = task["timeline"]
    assert task["trace_id"] == TRACE
    assert [moment["at"] for moment in timeline] == sorted(moment["at"] for moment in timeline)
    for stage in (ASR, NLP):
        assert told(timeline, stage) == ["queued", "begun", "first_record", "ended"]
        workers = {moment.get("worker") for moment in timeline if moment.get("stage") == stage}
        assert len(workers - {None}) == 1
    begun = next(moment for moment in timeline if moment["what"] == "begun")
    assert (begun["attempt"], begun["seconds"] >= 0) == (1, True)
    assert (timeline[-2]["what"], timeline[-1]["status"]) == ("completed", 204)
    assert "timeline" not in plain
    assert "trace_id" not in plain
    assert (refused.status_code, refused.json()["field"]) == (400, "debug")


async def test_what_goes_wrong_is_told(client: httpx.AsyncClient, settings: BaseSettings, redis: Redis) -> None:
    """A worker that fell silent, one that was stopped, an error that is tried again after a pause, and how often it was
    begun. What a job waited for is counted from when it was due."""
    scripts = Scripts(redis, LIMITS)
    await submit(redis, "t")
    await scripts.claim("t", ASR, claimant="silent/1", max_attempts=3)
    claim = await scripts.claim("t", ASR, claimant="stopped/2", max_attempts=3)
    await scripts.release("t", ASR, token=claim.token, forgiven=True)

    def stumble() -> None:
        raise RuntimeError("a cable came loose")

    async with (
        working(STAGES[ASR], FakeEngine(once(2, stumble)), settings, max_attempts=4),
        working(STAGES[NLP], FakeEngine(), settings),
    ):
        await until_ended(redis, "t")
    timeline = (await shown(client, "t"))["timeline"]
    of_asr = [moment for moment in timeline if moment.get("stage") == ASR]
    assert told(of_asr) == [
        *("queued", "begun", "lost", "begun", "handed_back"),
        *("begun", "first_record", "retried", "begun", "first_record", "ended"),
    ]
    assert [moment["attempt"] for moment in of_asr if moment["what"] == "begun"] == [1, 2, 2, 3]
    assert [moment["worker"] for moment in of_asr if moment["what"] == "begun"][:2] == ["silent", "stopped"]
    lost, retried, again = of_asr[2], of_asr[7], of_asr[8]
    assert (lost["worker"], retried["code"]) == ("silent", "internal_error")
    assert again["seconds"] < 2  # of the pause nothing counts
    assert "seconds" not in of_asr[3]  # nobody knows since when a job that fell out of dead hands has waited
    assert (timeline[-1]["what"], "code" in timeline[-1]) == ("completed", False)


async def test_a_failure_and_a_cancellation_are_told(
    client: httpx.AsyncClient, settings: BaseSettings, redis: Redis
) -> None:
    """With the code, the stage and the attempt at which a task failed; one that was cancelled ends with that."""
    for task_id in ("fails", "is-cancelled"):
        await submit(redis, task_id)
    await client.delete("/audio/tasks/is-cancelled")
    assert told((await shown(client, "is-cancelled"))["timeline"]) == ["accepted", "queued", "cancelled"]

    def stumble() -> None:
        raise RuntimeError("a cable came loose")

    async with working(STAGES[ASR], FakeEngine(once(1, stumble)), settings, max_attempts=1):
        await until_ended(redis, "fails")
    end = (await shown(client, "fails"))["timeline"][-1]
    assert (end["what"], end["stage"], end["attempt"], end["code"]) == ("failed", "asr", 1, "internal_error")


async def test_a_timeline_does_not_grow_without_end(
    client: httpx.AsyncClient, settings: BaseSettings, redis: Redis
) -> None:
    """A task that is handed back again and again has a record of bounded size. It keeps its first moments and its
    latest, the end among them, and says how many are missing between."""
    scripts, times = Scripts(redis, LIMITS), 300
    await submit(redis, "t")
    for number in range(times):
        claim = await scripts.claim("t", ASR, claimant=f"worker/{number}", max_attempts=3)
        await scripts.release("t", ASR, token=claim.token, forgiven=True)
    async with working(STAGES[ASR], FakeEngine(), settings), working(STAGES[NLP], FakeEngine(), settings):
        await until_ended(redis, "t")
    timeline = (await shown(client, "t"))["timeline"]
    assert [moment["at"] for moment in timeline] == sorted(moment["at"] for moment in timeline)
    assert told(timeline)[:4] == ["accepted", "queued", "begun", "handed_back"]
    assert told(timeline, ASR)[-4:] == ["handed_back", "begun", "first_record", "ended"]
    assert told(timeline, NLP) == ["queued", "begun", "first_record", "ended"]
    assert 100 < len(timeline) < 300
    place = told(timeline).index("omitted")
    assert told(timeline).count("omitted") == 1
    life = 2 * times + len(["accepted", "queued", "begun", "first_record", "ended"]) + len(told(timeline, NLP)) + 1
    assert len(timeline) - 1 + timeline[place]["count"] == life
    assert not {"stage", "worker"} & timeline[place].keys()
    assert len(await redis.hget(keys.task("t"), "trail") or b"") < 17_000


async def test_an_attempt_is_lost_once(client: httpx.AsyncClient, settings: BaseSettings, redis: Redis) -> None:
    """Who claims again because the reply was lost hears of the same lost attempt and writes it down no second time; who
    was told that all attempts are used up, and died over it, is no attempt that could be lost."""
    scripts = Scripts(redis, LIMITS)
    await submit(redis, "t")
    first = await scripts.claim("t", ASR, claimant="first/1", max_attempts=2)
    replies = [await scripts.claim("t", ASR, claimant="second/1", max_attempts=2) for _ in range(2)]
    assert [reply.lost for reply in replies] == [Lost(first.token, "first")] * 2
    for _ in range(2):
        with pytest.raises(Exhausted) as end:
            await scripts.claim("t", ASR, claimant="third/1", max_attempts=2)
        assert (end.value.attempt, end.value.lost) == (2, Lost(replies[0].token, "second"))
    with pytest.raises(Exhausted) as end:
        await scripts.claim("t", ASR, claimant="fourth/1", max_attempts=2)
    assert (end.value.attempt, end.value.lost) == (2, None)
    before = leases_lost()
    async with working(STAGES[ASR], FakeEngine(), settings, max_attempts=2):
        await until_ended(redis, "t")
    assert leases_lost() == before
    assert told((await shown(client, "t"))["timeline"], ASR) == ["queued", "begun", "lost", "begun", "lost", "failed"]


def leases_lost() -> float:
    """How many attempts workers of this process have found lost."""
    return REGISTRY.get_sample_value("voxmesh_leases_lost_total", {"stage": "asr"}) or 0.0


async def test_the_client_tells_it_typed(gateway_settings: Settings, redis: Redis) -> None:
    """`MeshClient.task(…, debug=True)`."""
    await submit(redis, "t")
    async with served(gateway_settings) as client, MeshClient(str(client.base_url)) as mesh:
        assert [moment.what for moment in (await mesh.task("t", debug=True)).timeline] == ["accepted", "queued"]
        assert (await mesh.task("t")).timeline == ()


@pytest.mark.parametrize("traced", [True, False], ids=["traced", "untraced"])
async def test_lines_of_log_carry_the_clients_trace(
    gateway_settings: Settings,
    settings: BaseSettings,
    redis: Redis,
    capsys: pytest.CaptureFixture[str],
    *,
    traced: bool,
) -> None:
    """Without any exporter the lines of gateway and workers about a task name the trace that its client has begun, and
    none where it has begun none."""
    async with served(gateway_settings) as client:
        response = await client.post("/audio/tasks", files=SOUND, headers=HEADERS if traced else {})
        async with working(STAGES[ASR], FakeEngine(), settings), working(STAGES[NLP], FakeEngine(), settings):
            await until_ended(redis, response.json()["task_id"])
    lines = capsys.readouterr().out.splitlines()
    of_task = [line for line in lines if any(word in line for word in ("task_submitted", "stage_started", "stage_fin"))]
    assert len(of_task) >= 4
    assert [TRACE in line for line in of_task] == [traced] * len(of_task)
