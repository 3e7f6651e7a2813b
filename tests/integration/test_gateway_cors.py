"""S13: pages of other origins. One policy for streams, refusals and everything else."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from tests.fakes.gateway import frames, served
from tests.fakes.task import LiveTask

PAGE = "https://app.example.com"
ORIGIN = {"Origin": PAGE}


@pytest.fixture
async def client(gateway_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = msgspec.structs.replace(gateway_settings, cors_origins=f"{PAGE}, https://*.example.org")
    async with served(settings) as client:
        yield client


def assert_open(answer: httpx.Response, origin: str = PAGE) -> None:
    """A page of `origin` may read the answer, with cookies or without, and the headers that it needs."""
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"x-task-id", "retry-after", "link", "location", "ratelimit", "ratelimit-policy"} <= exposed


async def test_s13_a_running_stream_may_be_read(client: httpx.AsyncClient, task: LiveTask) -> None:
    """The 200 of a task that is at work, and not only its preflight."""
    async with client.stream("GET", f"/audio/tasks/{task.task_id}/events", headers=ORIGIN) as response:
        assert response.status_code == 200
        assert_open(response)
        await task.say("It works.")
        assert (await anext(frames(response)))[0] == "1-0"


async def test_s13_answers_and_refusals_may_be_read(client: httpx.AsyncClient, task: LiveTask) -> None:
    """Whatever the status, and whoever answers: handler, router or form reader."""
    await task.complete()
    events = f"/audio/tasks/{task.task_id}/events"
    answers = {
        200: await client.get(f"/audio/tasks/{task.task_id}", headers=ORIGIN),
        204: await client.get(events, headers={**ORIGIN, "Last-Event-ID": "1-0"}),
        400: await client.post("/audio/tasks", headers=ORIGIN, content=b"no form"),
        404: await client.get("/audio/tasks/nobody/events", headers=ORIGIN),
        405: await client.put("/audio/tasks", headers=ORIGIN),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert_open(answer)
    assert_open(await client.get("/no/such/path", headers=ORIGIN))


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/audio/tasks/t1/events", "/audio/process-stream-realtime", "/audio/tasks"])
async def test_s13_the_preflight_allows_what_clients_send(client: httpx.AsyncClient, method: str, path: str) -> None:
    """Each method, and each header by which a client continues, repeats or identifies itself."""
    wanted = "authorization,content-type,idempotency-key,last-event-id"
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
    answer = await client.options(path, headers=ORIGIN | asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert set(wanted.split(",")) <= allowed
    assert int(answer.headers["access-control-max-age"]) >= 600


async def test_s13_other_origins_are_not_let_in(client: httpx.AsyncClient, task: LiveTask) -> None:
    """Neither by a preflight nor by a header; and a cache is told that the answer depends on the origin."""
    stranger = {"Origin": "https://app.example.com.evil.test"}
    path = f"/audio/tasks/{task.task_id}"
    answer = await client.get(path, headers=stranger)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"
    assert (await client.get(path)).headers["vary"] == "Origin"
    preflight = await client.options(path, headers={**stranger, "Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers


async def test_s13_a_star_stands_for_part_of_an_origin(client: httpx.AsyncClient, task: LiveTask) -> None:
    """All pages of a domain are let in by one entry."""
    origin = "https://any.example.org"
    assert_open(await client.get(f"/audio/tasks/{task.task_id}", headers={"Origin": origin}), origin)


async def test_s13_everybody_may_be_let_in(gateway_settings: Settings, task: LiveTask) -> None:
    """With `*`, any page reads streams and refusals, but nothing for which it would have to send cookies."""
    async with served(msgspec.structs.replace(gateway_settings, cors_origins="*")) as client:
        path = f"/audio/tasks/{task.task_id}/events"
        async with client.stream("GET", path, headers={"Origin": "null"}) as response:
            assert response.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in response.headers
        missing = await client.get("/audio/tasks/nobody", headers=ORIGIN)
        assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, "*")


async def test_s13_nobody_is_let_in_by_default(gateway_settings: Settings, task: LiveTask) -> None:
    """Unless it is set, pages of other origins stay out."""
    async with served(gateway_settings) as client:
        answer = await client.get(f"/audio/tasks/{task.task_id}", headers=ORIGIN)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]
