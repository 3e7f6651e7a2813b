"""Stream links that carry a token in place of a key."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from services.gateway.access import links
from services.gateway.access.links import LinkSigner
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared import codec, events, keys
from shared.messages import Failure, State
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from tests.fakes.gateway import served, watched
from tests.fakes.tenants import BATCH, ENTRIES, WEB, bearing, posted, submitted
from tests.mesh import LIMITS


@pytest.fixture
def guarded(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool", api_keys=ENTRIES
    )


@pytest.fixture
async def client(guarded: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(guarded) as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which all clocks are ahead."""
    ahead, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return ahead


async def cancel(redis: Redis, task_id: str) -> None:
    failure = Failure(code="cancelled", message="Cancelled.")
    event = events.make_end(task_id, State.CANCELLED, failure)
    await Scripts(redis, LIMITS).close(task_id, State.CANCELLED, event=event, error=codec.encode_text(failure))


async def refused(signer: LinkSigner, token: str) -> tuple[int, str]:
    """Status and code with which a token is refused."""
    with pytest.raises(Problem) as refusal:
        await signer.check(token)
    return refusal.value.status, refusal.value.code


async def test_a_link_opens_the_stream_of_its_task(client: httpx.AsyncClient, redis: Redis) -> None:
    """Both stream links of an answer work without a key; the state of the task has such links, too."""
    made = (await posted(client, WEB)).json()
    state = (await client.get(made["links"]["self"], headers=bearing(WEB))).json()
    await cancel(redis, made["task_id"])
    for given in (made["links"], state["links"]):
        for name in ("stream", "events"):
            assert len(await watched(client, given[name])) == 1
    assert "token" not in made["links"]["self"]


async def test_a_link_is_for_one_stream_and_nothing_else(client: httpx.AsyncClient, redis: Redis) -> None:
    """Neither another task of the same tenant nor anything but streams; where a key comes too, the key counts."""
    made, other = (await posted(client, WEB)).json(), await submitted(client, WEB)
    token = made["links"]["events"].partition("token=")[2]
    for path in (f"/audio/tasks/{other}/events", f"/audio/process-stream-realtime?task_id={other}"):
        answer = await client.get(path, params={"token": token} | dict(httpx.URL(path).params))
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_task")
    own = await client.get(f"/audio/tasks/{made['task_id']}?token={token}")
    assert (own.status_code, own.json()["code"]) == (401, "key_missing")
    assert (await client.post(f"/audio/tasks?token={token}")).status_code == 401
    assert (await client.get(made["links"]["events"], headers=bearing(BATCH))).status_code == 404
    await cancel(redis, made["task_id"])
    assert await watched(client, made["links"]["events"])


async def test_a_stream_of_several_tasks_takes_a_token_for_each(client: httpx.AsyncClient, redis: Redis) -> None:
    """A task whose token is not among them is one that never was."""
    made = [(await posted(client, key)).json() for key in (WEB, WEB, BATCH)]
    for task in made:
        await cancel(redis, task["task_id"])
    query = "&".join(f"task_id={task['task_id']}" for task in made)
    tokens = [task["links"]["events"].partition("token=")[2] for task in made[:2]]
    seen = await watched(client, f"/audio/events?{query}&token={tokens[0]}&token={tokens[1]}")
    steps = {(update["task_id"], update["step"]) for update in (codec.decode_plain(event) for _, event in seen)}
    ends = ["cancelled", "cancelled", "expired"]
    assert steps == {(task["task_id"], end) for task, end in zip(made, ends, strict=True)}
    assert (await client.get(f"/audio/events?{query}")).status_code == 401


async def test_a_link_makes_no_other(client: httpx.AsyncClient, redis: Redis) -> None:
    """Whoever comes with one gets no fresh one in the headers, or it would never end."""
    made = (await posted(client, WEB)).json()
    await cancel(redis, made["task_id"])
    async with client.stream("GET", made["links"]["stream"]) as response:
        assert "token" not in response.headers["link"]
    async with client.stream("GET", made["links"]["stream"], headers=bearing(WEB)) as response:
        assert "token" in response.headers["link"]


async def test_an_expired_link_says_how_to_get_a_new_one(guarded: Settings, redis: Redis, clock: list[float]) -> None:
    """After `LINK_SECONDS` 401; a browser's EventSource then stops, and a new link opens the stream again."""
    async with served(msgspec.structs.replace(guarded, link_seconds=60)) as client:
        made = (await posted(client, WEB)).json()
        await cancel(redis, made["task_id"])
        clock[0] = 59
        assert await watched(client, made["links"]["stream"])
        clock[0] = 62
        late = await client.get(made["links"]["stream"])
        assert (late.status_code, late.json()["code"]) == (401, "link_expired")
        assert "with your key" in late.json()["detail"]
        new = (await client.get(made["links"]["self"], headers=bearing(WEB))).json()["links"]["stream"]
        assert await watched(client, new)


async def test_a_token_that_is_none_is_refused(redis: Redis, clock: list[float]) -> None:
    """Changed, cut short, made with another secret, or made for a time that is yet to come."""
    signer = LinkSigner(redis, Settings(link_secret="ours"))
    token = await signer.sign("task")
    assert await signer.check(token) == "task"
    foreign = await LinkSigner(redis, Settings(link_secret="theirs")).sign("task")
    for wrong in (token[:-1], token.replace("task", "tusk"), foreign, "", ".", "..", "task", "ключ", "x" * 10_000):
        assert await refused(signer, wrong) == (403, "bad_link"), wrong
    clock[0] = 3600
    early = await signer.sign("task")
    clock[0] = 0
    assert await refused(signer, early) == (403, "bad_link")


async def test_another_gateways_clock_may_be_ahead(redis: Redis, clock: list[float]) -> None:
    """By some seconds: a link that it has just made is good here at once."""
    signer = LinkSigner(redis, Settings(link_secret="ours"))
    clock[0] = 30
    token = await signer.sign("task")
    clock[0] = 0
    assert await signer.check(token) == "task"


async def test_gateways_share_a_secret_through_redis(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the links of the others. When Redis has lost the secret it is put back, so that links stay good."""
    one, two = LinkSigner(redis, Settings()), LinkSigner(redis, Settings())
    assert await two.check(await one.sign("task")) == "task"
    assert await one.check(await two.sign("task")) == "task"
    token = await one.sign("task")
    await redis.delete(keys.SIGNING)
    monkeypatch.setattr(links.time, "monotonic", lambda: time.perf_counter() + 1e9)
    assert await two.check(token) == "task"
    assert await LinkSigner(redis, Settings()).check(token) == "task"


async def test_a_configured_secret_needs_no_redis() -> None:
    """Nothing is written there: another gateway with the same setting takes the link."""
    nowhere = Settings(link_secret="ours", redis_url="redis://127.0.0.1:1/0")
    pair = [LinkSigner(None, nowhere) for _ in range(2)]  # pyright: ignore[reportArgumentType] - not to be touched
    assert await pair[0].check(await pair[1].sign("task")) == "task"


async def test_refusals_and_streams_log_no_token(client: httpx.AsyncClient, redis: Redis) -> None:
    """Not when a link is used, is refused, or meets an error of ours."""
    made = (await posted(client, WEB)).json()
    token = made["links"]["events"].partition("token=")[2]
    await cancel(redis, made["task_id"])
    with capture_logs() as logs:
        await watched(client, made["links"]["stream"])
        refusal = await client.get(f"{made['links']['stream']}x")
        await redis.set(keys.task("broken"), b"no hash", px=60_000)
        failed = await client.get("/audio/tasks/broken/events", headers=bearing(WEB) | {"X-Token": token})
    assert (refusal.status_code, failed.status_code) == (403, 500)
    assert {line["event"] for line in logs} >= {"request_failed"}
    for secret in (token, WEB):
        assert secret not in str(logs)
        assert secret not in refusal.text + failed.text
