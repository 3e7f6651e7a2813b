"""A receiver is told when a task has ended, and can be sure who tells it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from deploy.local.webhook_secret import print_secret
from services.gateway.settings import Settings
from services.gateway.webhooks.deliverer import MOST_ATTEMPTS
from services.gateway.webhooks.ledger import Ledger
from shared import keys
from shared.messages import StageName, WebhookAttempt, WebhookState
from shared.redis import Redis
from shared.settings import BaseSettings
from shared.webhooks import secret_of, shown
from tests.conftest import wait_until
from tests.fakes.authority import Authority
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.receiver import Came, answer, receiving
from tests.fakes.stages import STAGES, FakeEngine
from tests.fakes.task import LiveTask
from tests.fakes.tenants import ENTRIES, WEB, bearing
from tests.fetching import Unavailable, leave_out
from tests.mesh import working

MASTER = "s" * 40
SOUND = {"audio": ("call.wav", wav())}


@pytest.fixture
def hooked(gateway_settings: Settings) -> Settings:
    """Webhooks may go to this machine, and are sent again far sooner than by default."""
    return msgspec.structs.replace(
        gateway_settings, webhook_secret=MASTER, webhook_retry_seconds=0.002, outbound_allow="127.0.0.1/32"
    )


@pytest.fixture
async def client(hooked: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(hooked) as client:
        yield client


async def submitted(client: httpx.AsyncClient, url: str, **headers: str) -> str:
    response = await client.post("/audio/tasks", files=SOUND, data={"webhook_url": url}, headers=headers)
    assert response.status_code == 202, response.text
    return response.json()["task_id"]


async def webhook_of(client: httpx.AsyncClient, task_id: str, **headers: str) -> dict[str, Any]:
    return (await client.get(f"/audio/tasks/{task_id}", headers=headers)).json()["webhook"]


async def settled(client: httpx.AsyncClient, task_id: str, **headers: str) -> dict[str, Any]:
    """The webhook, once nothing more is tried."""

    async def done() -> bool:
        return (await webhook_of(client, task_id, **headers))["state"] in {"delivered", "failed"}

    await wait_until(done, description="the webhook is settled")
    return await webhook_of(client, task_id, **headers)


def is_signed(came: Came, owner: str = "") -> bool:
    """Whether the request proves to be the mesh's, by the rules of Standard Webhooks, written out."""
    signed = f"{came.headers['webhook-id']}.{came.headers['webhook-timestamp']}.".encode() + came.body
    key = base64.b64decode(shown(secret_of(MASTER, owner)).removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(came.headers["webhook-signature"], f"v1,{expected}")


async def test_the_end_of_a_task_is_told_and_signed(client: httpx.AsyncClient, settings: BaseSettings) -> None:
    """Once, with where the result is and without any of it; the task has a record of it."""
    async with receiving(answer(204)) as receiver:
        task_id = await submitted(client, f"{receiver.url}/hook?for=me")
        assert await webhook_of(client, task_id) == {
            "url": f"{receiver.url}/hook?for=me",
            "state": "waiting",
            "attempts": [],
        }
        async with (
            working(STAGES[StageName.ASR], FakeEngine(), settings),
            working(STAGES[StageName.NLP], FakeEngine(), settings),
        ):
            webhook = await settled(client, task_id)
    (came,) = receiver.came
    assert came.line == "POST /hook?for=me HTTP/1.1"
    assert is_signed(came)
    assert came.headers["webhook-id"] == f"msg_{task_id}"
    body = json.loads(came.body)
    assert body["type"] == "task.completed"
    assert body["data"] == {
        "task_id": task_id,
        "state": "completed",
        "name": "call.wav",
        "error": None,
        "self": f"/audio/tasks/{task_id}",
        "result": f"/audio/tasks/{task_id}/result",
    }
    assert b"Sentence" not in came.body
    assert webhook["state"] == "delivered"
    assert [(attempt["status"], attempt["error"]) for attempt in webhook["attempts"]] == [(204, None)]


async def test_a_webhook_goes_over_tls_to_whom_it_is_for(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a receiver whose certificate is its host's, and signed by those whom `SSL_CERT_FILE` names; any other hears
    nothing of it."""
    try:
        ours, strange = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    except Unavailable as error:
        leave_out(error)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
    host = "IP:127.0.0.1"
    for certificate, trusted in (
        (ours.sign("receiver", host), True),
        (strange.sign("receiver", host), False),
        (ours.sign("other.example"), False),
    ):
        async with receiving(answer(204), certificate=certificate) as receiver:
            task_id = await submitted(client, receiver.url.replace("http:", "https:"))
            await client.delete(f"/audio/tasks/{task_id}")

            async def tried(task_id: str = task_id) -> bool:
                return bool((await webhook_of(client, task_id))["attempts"])

            await wait_until(tried, description="it has been tried")
        attempts = (await webhook_of(client, task_id))["attempts"]
        assert attempts[0]["error"] == (None if trusted else "unconnected")
        assert [is_signed(came) for came in receiver.came] == [True] * trusted


async def test_c06_a_receiver_that_fails_five_times_gets_the_sixth(client: httpx.AsyncClient) -> None:
    """The same message each time, signed anew; every attempt is on record, and the task is as it was."""
    async with receiving(*[answer(500)] * 5, answer(200)) as receiver:
        task_id = await submitted(client, receiver.url)
        await client.delete(f"/audio/tasks/{task_id}")
        webhook = await settled(client, task_id)
    assert webhook["state"] == "delivered"
    assert [attempt["status"] for attempt in webhook["attempts"]] == [500] * 5 + [200]
    assert [attempt["error"] for attempt in webhook["attempts"]] == ["status"] * 5 + [None]
    assert {came.body for came in receiver.came} == {receiver.came[0].body}
    assert {came.headers["webhook-id"] for came in receiver.came} == {f"msg_{task_id}"}
    assert all(map(is_signed, receiver.came))
    assert json.loads(receiver.came[0].body)["type"] == "task.cancelled"
    assert (await client.get(f"/audio/tasks/{task_id}")).json()["state"] == "cancelled"


async def test_c06_failed_delivery_changes_no_task(client: httpx.AsyncClient, redis: Redis) -> None:
    """A redirect is not followed but counts as a failure; after the last attempt the webhook has failed and nothing is
    left on the list; a receiver that wants no more is left alone."""
    async with receiving(answer(302, location="http://127.0.0.1:6379/")) as receiver:
        task_id = await submitted(client, receiver.url)
        await client.delete(f"/audio/tasks/{task_id}")
        webhook = await settled(client, task_id)
        assert webhook["state"] == "failed"
        assert [attempt["error"] for attempt in webhook["attempts"]] == ["redirected"] * MOST_ATTEMPTS
        assert len(receiver.came) == MOST_ATTEMPTS
    async with receiving(answer(410)) as receiver:
        other = await submitted(client, receiver.url, **{"Idempotency-Key": "other"})
        await client.delete(f"/audio/tasks/{other}")
        assert len((await settled(client, other))["attempts"]) == 1
    assert await redis.zcard(keys.WEBHOOKS) == 0
    assert (await client.get(f"/audio/tasks/{task_id}")).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://2130706433:6379/", "http://[::1]/", "http://10.0.0.1/", "ftp://x.example/"],
)
async def test_c06_a_webhook_into_the_network_is_refused(client: httpx.AsyncClient, url: str) -> None:
    """At submission, by name, and no task is made."""
    for path, form in (("/audio/tasks", {"files": SOUND}), ("/text/process-stream-realtime", {"files": {"text": "a"}})):
        refused = await client.post(path, data={"webhook_url": url}, **form)  # pyright: ignore[reportArgumentType]
        assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "bad_url", "webhook_url")
    assert (await client.get("/audio/tasks")).json()["tasks"] == []


async def test_c06_what_was_allowed_once_is_checked_again(
    client: httpx.AsyncClient, hooked: Settings, redis: Redis
) -> None:
    """The address counts at the moment of delivery, whatever was thought of it at submission."""
    async with receiving(answer(200)) as receiver:
        task_id = await submitted(client, receiver.url)
        await client.delete(f"/audio/tasks/{task_id}")
        await settled(client, task_id)
        task = await LiveTask(redis).create()
        await cast("Any", redis).hset(keys.task(task.task_id), "webhook", "https://127.0.0.9/")
        await task.cancel()

        async def refused() -> bool:
            attempts = (await webhook_of(client, task.task_id))["attempts"]
            return [attempt["error"] for attempt in attempts[:1]] == ["refused"]

        await wait_until(refused, description="the delivery is refused")
    assert hooked.outbound_allow == "127.0.0.1/32"


async def test_a_webhook_is_one_gateways_until_its_time_is_over(redis: Redis) -> None:
    """Two gateways get none twice; whoever comes too late changes nothing."""
    task = await LiveTask(redis).create()
    await cast("Any", redis).hset(keys.task(task.task_id), "webhook", "https://example.com/")
    await task.cancel()
    one, other = Ledger(redis), Ledger(redis)
    (taken,) = await one.take(count=5)
    assert await other.take(count=5) == []
    await redis.zadd(keys.WEBHOOKS, {task.task_id: 1})  # the time is over
    (again,) = await other.take(count=5)
    assert again.token > 1
    attempt = WebhookAttempt(at=datetime.now(UTC), status=200, error=None, seconds=0.1)
    stale = taken._replace(token=taken.token - 1)
    assert await one.log(stale, attempt, state=WebhookState.DELIVERED, retry_seconds=None) == "SUPERSEDED"
    assert await other.log(again, attempt, state=WebhookState.DELIVERED, retry_seconds=None) == "OK"
    assert await redis.zcard(keys.WEBHOOKS) == 0


async def test_each_tenant_has_its_own_secret(hooked: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sent for one cannot be forged by another; `voxmesh webhook-secret` prints what a receiver needs."""
    async with served(msgspec.structs.replace(hooked, api_keys=ENTRIES)) as client, receiving(answer(200)) as receiver:
        task_id = await submitted(client, receiver.url, **bearing(WEB))
        await client.delete(f"/audio/tasks/{task_id}", headers=bearing(WEB))
        await settled(client, task_id, **bearing(WEB))
    (came,) = receiver.came
    assert is_signed(came, "web")
    assert not is_signed(came, "batch")
    assert not is_signed(came)
    assert print_secret("web", {"WEBHOOK_SECRET": MASTER}) == 0
    assert capsys.readouterr().out.split()[-1] == shown(secret_of(MASTER, "web"))


async def test_without_a_secret_there_are_no_webhooks(hooked: Settings) -> None:
    """Rather none than one that proves nothing; an empty field is none."""
    async with served(msgspec.structs.replace(hooked, webhook_secret="")) as client:
        refused = await client.post("/audio/tasks", files=SOUND, data={"webhook_url": "https://example.com/"})
        assert (refused.status_code, refused.json()["field"]) == (400, "webhook_url")
        assert (await client.post("/audio/tasks", files=SOUND, data={"webhook_url": " "})).status_code == 202
