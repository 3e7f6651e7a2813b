"""Who is let in, and what each sees."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from deploy.local.demo import Order, demo
from services.gateway import openai_api
from services.gateway.access import Access
from services.gateway.app import create_app
from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.gateway import served, serving
from tests.fakes.task import LiveTask
from tests.fakes.tenants import BATCH, ENTRIES, STRANGER, WEB, bearing, submitted

OPEN = {
    *("/health/live", "/health/ready", "/metrics"),
    *("/schema", "/schema/openapi.json", "/schema/{path}"),
    *("/", "/page/{name}"),
}
"""What anybody may ask for."""


@pytest.fixture
def guarded(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool", api_keys=ENTRIES
    )


@pytest.fixture
async def client(guarded: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(guarded) as client:
        yield client


def operations(settings: Settings) -> list[tuple[str, str]]:
    """Method and path of everything that the application answers, whether or not it is described."""
    return [
        (method, route.path_format)
        for route in create_app(settings).routes
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
        if method != "OPTIONS"
    ]


async def test_every_route_asks_for_a_key(client: httpx.AsyncClient, guarded: Settings) -> None:
    """Without a key 401 and how to send one, with an unknown one 403; only what is named above is open to all."""
    found = operations(guarded)
    assert {path for _, path in found} >= OPEN
    for method, template in found:
        path = template.format(task_id="x", path="x", name="x")
        bare = await client.request(method, path)
        strange = await client.request(method, path, headers=bearing(STRANGER))
        if template.startswith(openai_api.PREFIX):
            assert {bare.status_code, strange.status_code} == {401}, path
            assert bare.json()["error"]["code"] == "key_missing"
            assert strange.json()["error"]["code"] == "invalid_api_key"
            continue
        if template in OPEN:
            assert {bare.status_code, strange.status_code} <= {200, 404}, path
            continue
        assert (bare.status_code, bare.json()["code"]) == (401, "key_missing"), path
        assert bare.headers["www-authenticate"].startswith("Bearer")
        assert bare.headers["content-type"] == "application/problem+json"
        assert (strange.status_code, strange.json()["code"]) == (403, "key_unknown"), path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {WEB}"}, 404),
        ({"Authorization": f"bearer  {WEB}"}, 404),
        ({"X-API-Key": BATCH}, 404),
        ({"Authorization": "Basic dTpw", "X-API-Key": BATCH}, 404),
        ({"Authorization": f"Bearer {STRANGER}", "X-API-Key": BATCH}, 403),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": WEB}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "web"}, 403),
    ],
)
async def test_a_key_comes_in_one_of_two_headers(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """As a bearer's, or in a header of its own, which leaves the other to a proxy's login."""
    assert (await client.get("/audio/tasks/none", headers=headers)).status_code == status


async def test_a_key_in_the_address_is_none(client: httpx.AsyncClient) -> None:
    """Addresses end up in logs, so keys are not looked for there."""
    for name in ("key", "api_key", "x-api-key"):
        assert (await client.get(f"/audio/tasks/none?{name}={WEB}")).status_code == 401
    refused = await client.get(f"/audio/process-stream-realtime?task_id=none&token={WEB}")
    assert (refused.status_code, refused.json()["code"]) == (403, "bad_link")


async def test_a_foreign_task_is_one_that_never_was(client: httpx.AsyncClient, guarded: Settings) -> None:
    """On every route that takes a task's id, another tenant gets the same answer for a task that is and for none."""
    theirs, none = await submitted(client, BATCH), "f" * 32
    routes = [(method, path) for method, path in operations(guarded) if "{task_id}" in path]
    routes += [("GET", "/audio/process-stream-realtime?task_id={task_id}")]
    for method, template in routes:
        foreign, missing = [
            await client.request(method, template.format(task_id=task_id), headers=bearing(WEB))
            for task_id in (theirs, none)
        ]
        assert foreign.status_code == missing.status_code == 404, template
        assert foreign.text.replace(theirs, none) == missing.text
        assert {*foreign.headers} == {*missing.headers}
    assert (await client.get(f"/audio/tasks/{theirs}", headers=bearing(BATCH))).json()["state"] == "queued"


async def test_a_task_from_before_the_keys_is_nobodys(client: httpx.AsyncClient, redis: Redis) -> None:
    """Once keys are asked for, nobody sees what was submitted without one."""
    task = await LiveTask(redis).create()
    assert (await client.get(f"/audio/tasks/{task.task_id}", headers=bearing(WEB))).status_code == 404


async def test_the_schema_says_who_is_let_in(client: httpx.AsyncClient, guarded: Settings) -> None:
    """With keys each operation names what it takes and how it refuses, and only streams take a link; without keys there
    is no word of them."""
    document = (await client.get("/schema")).json()
    assert document == (await client.get("/schema")).json()
    linked: set[str] = set()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            schemes = {name for choice in operation.get("security", []) for name in choice}
            if path in OPEN:
                assert not schemes
                continue
            assert {"bearer", "key"} <= schemes <= document["components"]["securitySchemes"].keys(), path
            assert {"401", "429", "503"} <= operation["responses"].keys(), path
            assert ("403" in operation["responses"]) == (not path.startswith("/v1/")), path  # OpenAI's is 401
            linked |= {path} if "link" in schemes else set()
    assert linked == {
        "/audio/process-stream-realtime",
        "/audio/process-stream",
        "/audio/tasks/{task_id}/events",
        "/audio/events",
    }
    async with served(msgspec.structs.replace(guarded, api_keys="")) as everybody:
        text = (await everybody.get("/schema")).text
    assert "securitySchemes" not in text
    assert '"security"' not in text


async def test_without_keys_everybody_is_let_in(guarded: Settings) -> None:
    """A key or a token that comes all the same makes no difference."""
    async with served(msgspec.structs.replace(guarded, api_keys="")) as client:
        task_id = await submitted(client, STRANGER)
        answer = await client.get(f"/audio/tasks/{task_id}?token=x")
        assert answer.status_code == 200
        assert "token" not in answer.text


@pytest.mark.parametrize(
    ("host", "entries", "event", "level"),
    [
        ("127.0.0.1", "", "access_open", "info"),
        ("localhost", "", "access_open", "info"),
        ("0.0.0.0", "", "access_open_to_network", "warning"),  # noqa: S104 - nothing listens
        ("0.0.0.0", ENTRIES, "access_by_key", "info"),  # noqa: S104
    ],
)
async def test_the_log_says_at_the_start_who_is_let_in(
    redis: Redis, host: str, entries: str, event: str, level: str
) -> None:
    """In one line, and as a warning when it is everybody on the network."""
    with capture_logs() as logs:
        Access(redis, Settings(host=host, api_keys=entries)).announce()
    assert [(line["event"], line["log_level"]) for line in logs] == [(event, level)]


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "key_missing"), (STRANGER, "key_unknown"), (WEB, "unsupported_media")],
    ids=["none", "unknown", "known"],
)
async def test_the_demo_brings_the_key_of_its_environment(
    guarded: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, code: str
) -> None:
    """`VOXMESH_KEY` is what `voxmesh demo` sends, and is named when it is at fault; with a good one it is the
    recording that matters."""
    file = tmp_path / "letter.wav"
    file.write_text("Dear Sir or Madam,\n" * 100, encoding="utf-8")
    async with serving(guarded) as server:
        url = f"http://127.0.0.1:{server.config.port}"
        assert await demo(Order(file=file, options={}), {"VOXMESH_KEY": key}, url=url) == 1
    told = capsys.readouterr().err
    assert told.endswith(f"({code})\n")
    assert told.startswith("voxmesh: VOXMESH_KEY: ") == (key != WEB)
