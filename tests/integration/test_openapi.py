"""The OpenAPI document says what is so, and what it says is what happens."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from litestar.routes import HTTPRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from services.gateway.app import create_app
from services.gateway.codes import CODES
from services.gateway.openai_api.form import FIELDS, FILE_FIELD, TRANSLATION_FIELDS
from services.gateway.settings import Settings
from tests.fakes.form import wav
from tests.local_mesh import ROOT, LocalMesh

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "8"))
"""Requests per operation that schemathesis makes up, beside those that it derives from the document."""
SEED = os.environ.get("SCHEMA_SEED", "1")
OPENAI = "^/v1/audio/"
"""Their forms have rules that no schema says, OpenAI's own: word times go with one format alone. They are tried below
one by one, and with OpenAI's packages."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def http(mesh_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mesh_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> Json:
    return http.get("/schema").json()


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Each operation and its name."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(document: Json) -> Iterator[tuple[str, Json]]:
    """What is answered: operation, status and media type, and what the document says of it."""
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                yield f"{name} {status} {kind}", content


def validator(document: Json, schema: Json) -> jsonschema_rs.Draft202012Validator:
    """Checks data against `schema`, which may refer to others of the document."""
    return jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]})


def events_in(stream: str) -> list[Json]:
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]


def test_every_answer_has_an_example_that_fits(document: Json) -> None:
    """Each answer of each operation shows what it looks like, and the example is valid by its own schema."""
    for name, content in contents(document):
        assert "example" in content, f"{name} has no example"
        if "event-stream" in name:
            event = validator(document, content["schema"]["properties"]["data"]["contentSchema"])
            assert [error for data in events_in(content["example"]) for error in event.iter_errors(data)] == [], name
        else:
            assert list(validator(document, content["schema"]).iter_errors(content["example"])) == [], name


def test_every_parameter_has_an_example_that_fits(document: Json) -> None:
    """The same for what is asked, the fields of forms included."""
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert "example" in parameter, f"{name}: {parameter['name']} has no example"
            validator(document, parameter["schema"]).validate(parameter["example"])


def test_the_document_is_openapi(document: Json) -> None:
    """By the schema of OpenAPI itself."""
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_every_route_is_in_the_document(document: Json, tmp_path: Path) -> None:
    """With each of its methods; only the page is for no program."""
    app = create_app(Settings(spool_dir=tmp_path))
    served = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
        if method != "OPTIONS"
    }
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    apart = {path for path, _ in served - described}
    assert described < served
    assert apart == {"/", "/page/{name}", "/schema", "/schema/openapi.json", "/schema/{path}"}


def test_codes_of_the_openai_api(document: Json, http: httpx.Client) -> None:
    """Refusals under `/v1` are in OpenAI's shape, as the document says, whoever refuses."""
    error = validator(document, {"$ref": "#/components/schemas/OpenAIErrorBody"})
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
        refused = http.post(path, data={"colour": "red"}, files={"file": b""})
        assert str(refused.status_code) in document["paths"][path]["post"]["responses"]
        error.validate(refused.json())
    error.validate(http.get("/v1/models/nobody").json())
    models = http.get("/v1/models").json()
    validator(document, {"$ref": "#/components/schemas/OpenAIModelList"}).validate(models)


@pytest.mark.parametrize("path", ["transcriptions", "translations"])
def test_answers_of_the_openai_api_are_as_described(document: Json, http: httpx.Client, path: str) -> None:
    """Each format and the stream: of a kind that the document lists, and, where it is data, valid by its schema."""
    operation = document["paths"][f"/v1/audio/{path}"]["post"]
    answers = operation["responses"]["200"]["content"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    formats = [kind for kind in form["response_format"]["enum"] if kind != "diarized_json"]
    for kind in formats:
        fields = {"response_format": kind, "language": "en"}
        answer = http.post(f"/v1/audio/{path}", data=fields, files={"file": ("a.wav", wav(1.0))})
        assert answer.status_code == 200, answer.text
        content = answers[answer.headers["content-type"].partition(";")[0]]
        if "json" in kind:
            validator(document, content["schema"]).validate(answer.json())
        assert answer.headers["x-task-id"]
    if "text/event-stream" in answers:
        event = validator(document, answers["text/event-stream"]["schema"]["properties"]["data"]["contentSchema"])
        streamed = http.post(f"/v1/audio/{path}", data={"stream": "true"}, files={"file": ("a.wav", wav(1.5))})
        assert [error.message for data in events_in(streamed.text) for error in event.iter_errors(data)] == []
        assert [data["type"] for data in events_in(streamed.text)][-1] == "transcript.text.done"


def test_the_forms_of_the_openai_api_are_whole(document: Json) -> None:
    """The document has each field that is read, but for those that are there to be refused."""
    for path, fields in (("transcriptions", FIELDS), ("translations", TRANSLATION_FIELDS)):
        body = document["paths"][f"/v1/audio/{path}"]["post"]["requestBody"]["content"]["multipart/form-data"]
        described = set(body["schema"]["properties"]) - {FILE_FIELD}
        refused = {"include", "known_speaker_names", "known_speaker_references"}
        assert described == {name for name in fields if name.removesuffix("[]") not in refused}


def test_references_lead_somewhere(document: Json) -> None:
    """Each schema that is referred to is there."""
    for target in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert target in document["components"]["schemas"]


def test_codes_are_those_of_the_documents() -> None:
    """The codes of each status that the document lists are those that docs/errors.md explains."""
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|", text, flags=re.MULTILINE)
    explained = {(int(status), code) for code, statuses in rows for status in statuses.split(", ")}
    assert {(status, code) for status, codes in CODES.items() for code in codes} == {*explained, (400, "bad_request")}


def test_events_and_results_are_as_described(document: Json, http: httpx.Client) -> None:
    """Each event of a whole task is valid by the schema of its step, and so is the result."""
    fields = {"include_translation": "true", "include_insights": "true"}
    answer = http.post("/audio/process-stream-realtime", data=fields, files={"audio": ("a.wav", wav(1.0))})
    event = validator(document, {"$ref": "#/components/schemas/Event"})
    seen = events_in(answer.text)
    assert [error.message for data in seen for error in event.iter_errors(data)] == []
    assert {data["step"] for data in seen} >= {
        "transcription",
        "translation_complete",
        "insights_complete",
        "completed",
    }
    result = http.get(f"/audio/tasks/{answer.headers['x-task-id']}/result").json()
    validator(document, {"$ref": "#/components/schemas/Result"}).validate(result)
    wrong = seen[-1] | {"partial_result": {"transcript": 1}}
    assert not event.is_valid(wrong)


def finished(http: httpx.Client, count: int) -> list[str]:
    """Tasks that have been completed, one after the other."""
    fields = {"include_translation": "true", "include_insights": "true"}
    answers = [
        http.post("/audio/process-stream-realtime", data=fields, files={"audio": ("a.wav", wav(0.5))})
        for _ in range(count)
    ]
    return [answer.headers["x-task-id"] for answer in answers]


def complaints(output: str) -> str:
    """What schemathesis says that it has found, without the requests."""
    wanted = re.compile(r"_{3,} |- ST|\[[1-5]\d\d\]|    [`A-Z]|    curl|Network|.*imeout|    - ")
    return "\n".join(line[:800] for line in output.splitlines() if wanted.match(line))


@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(whole_mesh: LocalMesh, http: httpx.Client, document: Json, tmp_path: Path) -> None:
    """All checks of schemathesis over all routes of a real mesh: no 500, no hang, nothing that the document does not
    say, nothing taken that it forbids, nothing refused that it allows."""
    environ = {
        "VOXMESH_TASKS": ",".join(finished(http, 3)),
        "SCHEMATHESIS_HOOKS": "tests.fakes.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
    }
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{whole_mesh.url}/schema", "--checks", "all"]
    command += ["--exclude-path-regex", OPENAI]
    command += ["--max-examples", str(EXAMPLES), "--request-timeout", "10", "--continue-on-failure", "--no-color"]
    command += ["--exclude-checks", "use_after_free"]  # DELETE cancels a task and does not remove it
    command += ["--report", "json", "--report-json-path", str(report), "--seed", SEED]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environ, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, complaints(done.stdout) or done.stdout[-2000:]
    counted = json.loads(report.read_text(encoding="utf-8"))
    asked = [name for name, _ in operations(document) if not re.search(OPENAI, name.partition(" ")[2])]
    assert counted["operations"]["tested"] == len(asked)
    print(f"{counted['test_cases']['generated']} requests, seed {counted['seed']}")
    assert counted["test_cases"]["generated"] >= EXAMPLES * counted["operations"]["tested"]
