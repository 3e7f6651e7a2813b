"""The gateway's paths: what each is described as, and how those that do not exist are refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.task import LiveTask


@pytest.fixture
async def client(settings: BaseSettings, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    gateway = Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    async with served(gateway) as client:
        yield client


async def test_paths_and_methods_that_do_not_exist(client: httpx.AsyncClient) -> None:
    """The framework's own refusals have the same form."""
    missing = await client.get("/no/such/path")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_path")
    wrong = await client.put("/audio/tasks")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"]
    bare = await client.get("/audio/process-stream-realtime")
    assert (bare.status_code, bare.json()["code"]) == (400, "task_id_missing")


async def test_options_names_all_methods_of_a_path(client: httpx.AsyncClient) -> None:
    """The answer to OPTIONS and that to a wrong method agree with each other."""
    for path, methods in (
        ("/audio/process-stream-realtime", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/audio/tasks/some-id", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/health/live", {"GET", "HEAD", "OPTIONS"}),
    ):
        asked = await client.options(path)
        assert (asked.status_code, set(asked.headers["allow"].split(", "))) == (204, methods)
        refused = await client.put(path)
        assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, methods)
        assert ", ".join(sorted(methods)) in refused.json()["detail"]


async def test_head_is_get_without_its_body(client: httpx.AsyncClient, redis: Redis) -> None:
    """Monitors and `curl -I` get the status and headers of GET, and the connection is free for what follows."""
    task = await LiveTask(redis).create()
    stream = f"/audio/tasks/{task.task_id}/events"
    for path in ("/", "/health/live", "/audio/tasks", "/audio/tasks/nobody", stream, "/health/live"):
        asked = await client.head(path, headers={"Accept": "text/html"}, timeout=10)
        assert asked.content == b""
        if path != stream:
            got = await client.get(path, headers={"Accept": "text/html"})
            assert (asked.status_code, asked.headers["content-type"]) == (got.status_code, got.headers["content-type"])
            assert asked.headers["content-length"] == got.headers["content-length"]
    assert (await client.head("/v1/audio/transcriptions")).status_code == 405


@pytest.mark.parametrize(
    ("path", "code", "field", "meant"),
    [
        ("/audio/tasks?limt=3", "unknown_parameter", "limt", ["limit"]),
        ("/audio/tasks?limit=3&limit=4", "field_twice", "limit", None),
        ("/audio/tasks?colour", "unknown_parameter", "colour", None),
        ("/audio/tasks/some-id?Debug=true", "unknown_parameter", "Debug", ["debug"]),
        ("/audio/tasks/some-id/result?formt=srt", "unknown_parameter", "formt", ["format"]),
        ("/audio/tasks/some-id/events?last-event-id=3-0", "unknown_parameter", "last-event-id", ["last_event_id"]),
        ("/audio/process-stream?task_id=a&task_id=b", "field_twice", "task_id", None),
        ("/audio/events?task_id=a&task_id=b&taskid=c", "unknown_parameter", "taskid", ["task_id"]),
        ("/audio/capabilities?verbose=1", "unknown_parameter", "verbose", None),
    ],
)
async def test_a_parameter_that_is_not_known_is_refused(
    client: httpx.AsyncClient, path: str, code: str, field: str, meant: list[str] | None
) -> None:
    """By its name, with the one that was probably meant; and so is one that comes twice. Nothing is ignored."""
    answer = await client.get(path)
    told = answer.json()
    assert (answer.status_code, told["code"], told["field"], told.get("offered")) == (400, code, field, meant)


async def test_a_parameter_that_is_wrong_is_told_what_it_must_be(client: httpx.AsyncClient) -> None:
    """The refusal says more than that it is wrong; names of states are taken in any case, and no id is no task."""
    for limit, rule in (("0", "a whole number >= 1"), ("201", "a whole number <= 200"), ("x", "a whole number")):
        answer = await client.get(f"/audio/tasks?limit={limit}")
        assert (answer.status_code, answer.json()["field"]) == (400, "limit")
        assert f": it must be {rule}. " in answer.json()["detail"]
    assert (await client.get("/audio/tasks?state=COMPLETED")).json() == {"tasks": [], "next_cursor": None}
    assert (await client.get("/audio/events?task_id=&task_id=")).json()["code"] == "task_id_missing"


async def test_what_is_not_in_the_schema_is_refused_as_elsewhere(client: httpx.AsyncClient) -> None:
    """Not with a page of the framework's."""
    answer = await client.get("/schema/swagger")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "no_such_path"


async def test_headers_that_would_be_ignored_are_refused(client: httpx.AsyncClient) -> None:
    """Of two keys only one could count, and a body that is packed would be called damaged."""
    sound = {"audio": ("a.wav", wav())}
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    twice = await client.post("/audio/tasks", files=sound, headers=keys)
    assert (twice.status_code, twice.json()["code"]) == (400, "bad_idempotency_key")
    packed = await client.post("/audio/tasks", files=sound, headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (400, "not_a_form")
    assert "Content-Encoding" in packed.json()["detail"]


async def test_a_field_in_the_address_is_refused(client: httpx.AsyncClient) -> None:
    """Before anything is read: options of a submission belong into its form."""
    for path in ("/audio/tasks", "/text/tasks", "/audio/process-stream", "/text/process-stream-realtime"):
        answer = await client.post(f"{path}?language=en", files={"audio": b"", "text": b""})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
        assert "-F language=" in answer.json()["detail"]


async def test_what_others_add_to_an_address_does_no_harm(client: httpx.AsyncClient) -> None:
    """Probes, scrapers, browsers and clients of OpenAI's API put things there of their own; a link may carry a token
    where none is asked for."""
    for path in (
        "/health/ready?verbose",
        "/metrics?name[]=up",
        "/?utm_source=x",
        "/schema?v=1",
        "/v1/models?api-version=1",
        "/audio/tasks?_=1764439200&_=1764439201",
    ):
        assert (await client.get(path, headers={"Accept": "text/html"})).status_code == 200, path
    missing = await client.get("/audio/tasks/some-id/events?token=x&token=y")
    assert missing.json()["code"] == "no_such_task"


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    """/schema is an OpenAPI document with a summary and a description for each operation, and the upload form."""
    document = json.loads((await client.get("/schema")).text)
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        ("/audio/process-stream-realtime", "post"),
        ("/audio/process-stream-realtime", "get"),
        ("/audio/process-stream", "post"),
        ("/audio/process-stream", "get"),
        ("/audio/capabilities", "get"),
        ("/text/process-stream-realtime", "post"),
        ("/text/tasks", "post"),
        ("/audio/tasks", "post"),
        ("/audio/tasks", "get"),
        ("/audio/tasks/{task_id}", "get"),
        ("/audio/tasks/{task_id}", "delete"),
        ("/audio/tasks/{task_id}/events", "get"),
        ("/audio/events", "get"),
        ("/audio/tasks/{task_id}/result", "get"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/metrics", "get"),
        ("/v1/audio/transcriptions", "post"),
        ("/v1/audio/translations", "post"),
        ("/v1/models", "get"),
        ("/v1/models/{name}", "get"),
    }
    assert all(operation["summary"] and operation["description"] for operation in operations.values())
    content = operations["/audio/tasks", "post"]["requestBody"]["content"]
    assert "audio" in content["multipart/form-data"]["schema"]["properties"]
    streamed = operations["/audio/process-stream-realtime", "get"]["responses"]["200"]["content"]
    assert set(streamed) == {"text/event-stream"}
