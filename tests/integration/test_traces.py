"""One trace for each task, through processes that know nothing of each other, and none where nobody asks for them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shared import keys
from shared.errors import SettingsError
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from shared.tracing import OFF, Kind, traceparent_of, tracing_of
from tests.conftest import free_port, wait_until
from tests.fakes.collector import Collector, Seen, collecting
from tests.fakes.form import wav
from tests.fakes.gateway import until_ready
from tests.fakes.receiver import answer, receiving
from tests.mesh import ROOT, gateway_process, until_ended, worker_process

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
FULL = {"include_translation": "true", "target_language": "pt", "language": "en", "include_insights": "true"}
HOOKS = {"WEBHOOK_SECRET": "s" * 40, "OUTBOUND_ALLOW": "127.0.0.1/32"}
NAME = "secret-plans.wav"
SOUND = {"audio": (NAME, wav())}


@asynccontextmanager
async def gateway(settings: BaseSettings, environ: Mapping[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway that is a process of its own; the process is told to stop, and stops in good order."""
    port = free_port()
    with gateway_process(settings, port=port, environ=environ) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            await until_ready(client)
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


async def submitted(client: httpx.AsyncClient, **fields: str) -> str:
    response = await client.post("/audio/tasks", files=SOUND, data=fields, headers=HEADERS)
    assert response.status_code == 202, response.text
    return response.json()["task_id"]


def chain(collector: Collector, first: Seen, stages: list[StageName]) -> Seen:
    """Follows the jobs from stage to stage: sent by the attempt before, processed once. The last attempt."""
    sender = first
    for stage in stages:
        (sent,), (attempt,) = collector.of(f"send arq:queue:{stage}"), collector.of(f"process arq:queue:{stage}")
        assert (sent.parent, attempt.parent) == (sender.span_id, sent.span_id)
        assert (sent.kind, attempt.kind) == ("PRODUCER", "CONSUMER")
        assert (sent.service, attempt.service) == (sender.service, f"voxmesh-{stage}")
        assert attempt.facts["messaging.destination.name"] == f"arq:queue:{stage}"
        assert (attempt.facts["voxmesh.attempt"], attempt.facts["voxmesh.outcome"]) == (1, "completed")
        assert attempt.facts["voxmesh.audio_seconds"] == 3.0
        assert 0 <= attempt.facts["voxmesh.queue_seconds"] < 60  # the worker may still be starting
        assert 0 <= attempt.facts["voxmesh.work_seconds"] <= attempt.seconds + 0.001
        assert attempt.happened == ("first_record",)
        sender = attempt
    return sender


async def test_a_full_task_is_one_trace_through_all_five_services(settings: BaseSettings) -> None:
    """The client's trace goes on in the gateway, from job to job through the stages, and to a webhook's receiver.
    Nothing of what was said or sent is in it."""
    with collecting() as collector:
        async with AsyncExitStack() as mesh, receiving(answer(204)) as receiver:
            client = await mesh.enter_async_context(gateway(settings, {**collector.environ, **HOOKS}))
            for stage in StageName:
                mesh.enter_context(worker_process(stage, settings, collector.environ))
            await submitted(client, webhook_url=f"{receiver.url}/hook/token", **FULL)
            await wait_until(lambda: len(collector.spans) == 10, description="all spans have come", seconds=60)
    (request,), (webhook,) = collector.of("POST /audio/tasks"), collector.of("POST")
    assert {span.trace_id for span in collector.spans} == {TRACE}
    assert {span.service for span in collector.spans} == {f"voxmesh-{name}" for name in ("gateway", *StageName)}
    assert (request.kind, request.parent, request.facts["http.response.status_code"]) == ("SERVER", PARENT, 202)
    chain(collector, request, list(StageName))
    assert (webhook.kind, webhook.parent, webhook.facts["http.response.status_code"]) == (
        "CLIENT",
        request.span_id,
        204,
    )
    assert receiver.came[0].headers["traceparent"] == f"00-{TRACE}-{webhook.span_id}-01"
    assert not any(span.failed for span in collector.spans)
    for text in (b"Sentence", b"Frase", NAME.encode(), b"token"):
        assert not any(text in body for body in collector.bodies)


async def test_an_attempt_that_was_killed_is_in_the_trace(redis: Redis, settings: BaseSettings) -> None:
    """Whoever goes on tells of it: it failed, with the span that the jobs which it had sent hang on. Both attempts are
    children of the same job."""
    name = "process arq:queue:asr"
    with collecting() as collector:
        environ = {**collector.environ, "LEASE_SECONDS": "1"}
        async with gateway(settings, collector.environ) as client:
            with worker_process(StageName.NLP, settings, environ):
                with worker_process(StageName.ASR, settings, {**environ, "FAKE_STALL_AT": "2"}) as doomed:
                    task_id = await submitted(client)
                    await wait_until(lambda: bool(collector.of("send arq:queue:nlp")), description="a job is sent")
                    doomed.kill()
                with worker_process(StageName.ASR, settings, environ):
                    events = await until_ended(redis, task_id)
                    await wait_until(lambda: len(collector.of(name)) == 2, description="both attempts are told")
                    await wait_until(lambda: len(collector.spans) == 6, description="all spans have come")
    assert events[-1].step == "completed"
    lost, second = sorted(collector.of(name), key=lambda span: span.facts["voxmesh.attempt"])
    (sent,), (behind,) = collector.of("send arq:queue:asr"), collector.of("send arq:queue:nlp")
    assert lost.parent == second.parent == sent.span_id
    assert behind.parent == lost.span_id
    assert (lost.failed, lost.facts["error.type"], lost.facts["voxmesh.outcome"]) == (True, "lease_lost", "lost")
    assert (second.facts["voxmesh.attempt"], second.facts["voxmesh.outcome"]) == (2, "completed")
    assert lost.facts["voxmesh.worker"] != second.facts["voxmesh.worker"]
    assert {span.trace_id for span in collector.spans} == {TRACE}


async def test_what_is_left_is_sent_at_the_end(redis: Redis, settings: BaseSettings) -> None:
    """A service that is told to stop sends what it has told since the last batch, which may be minutes old."""
    with collecting() as collector:
        environ = {**collector.environ, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        async with gateway(settings, environ) as client:
            with worker_process(StageName.ASR, settings, environ) as worker:
                task_id = await submitted(client)

                async def is_heard() -> bool:
                    return await redis.hget(keys.task(task_id), "ended:asr") is not None

                await wait_until(is_heard, description="the recording is transcribed")
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(60) == 0
            assert {span.name for span in collector.spans} == {"process arq:queue:asr", "send arq:queue:nlp"}
        assert {"POST /audio/tasks", "send arq:queue:asr"} < {span.name for span in collector.spans}


async def test_a_collector_that_does_not_answer_holds_up_nothing(redis: Redis, settings: BaseSettings) -> None:
    """Tasks are done, and gateway and worker end in good order within their time, whatever has become of the spans."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50", "NO_PROXY": "127.0.0.1"}
        environ |= {"OTEL_EXPORTER_OTLP_TIMEOUT": "100", "OTEL_BSP_EXPORT_TIMEOUT": "100000"}
        async with gateway(settings, environ) as client:
            with (
                worker_process(StageName.ASR, settings, environ) as asr,
                worker_process(StageName.NLP, settings, environ),
            ):
                assert (await until_ended(redis, await submitted(client)))[-1].step == "completed"
                before = time.monotonic()
                asr.send_signal(signal.SIGTERM)
                assert asr.wait(60) == 0
            took = time.monotonic() - before
            before = time.monotonic()
        assert took < 30
        assert time.monotonic() - before < 30


def test_without_an_exporter_nothing_is_imported() -> None:
    """Neither gateway nor worker pays for what it does not use."""
    code = """
import sys
import services.gateway.app, shared.runner.worker
from services.gateway.settings import Settings
from shared.tracing import tracing_of
services.gateway.app.Server(Settings(), tracing_of({"OTEL_SERVICE_NAME": "mine"}, service="gateway"))
heavy = ("opentelemetry.sdk", "opentelemetry.trace", "opentelemetry.exporter", "google", "requests", "urllib3")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS_FILE"])
async def test_the_collector_gets_the_headers_that_it_asks_for(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment or from a file, with what is escaped in them."""
    (tmp_path / "headers").write_text("x-key=open%20sesame,x-tenant=speech\n")
    with collecting() as collector:
        for name, value in collector.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(variable, str(tmp_path / "headers") if variable.endswith("FILE") else "x-key=open%20sesame")
        tracing = tracing_of(os.environ, service="asr")
        with tracing.span("work", Kind.CONSUMER):
            pass
        await tracing.aclose()
    assert collector.keys == ["open sesame"]


URL = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"},
    ],
    ids=["nothing", "blank", "disabled", "no-exporter"],
)
def test_when_there_are_no_traces(environ: Mapping[str, str]) -> None:
    """Traces are off without an endpoint, and where they are switched off."""
    assert tracing_of(environ, service="asr") is OFF


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
    ],
)
def test_what_is_not_spoken_is_refused(variable: str, value: str) -> None:
    """By name, instead of traces that never arrive."""
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        tracing_of({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, variable: value}, service="asr")


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01"),
        (f" 00-{TRACE}-{PARENT}-00 ", f"00-{TRACE}-{PARENT}-00"),
        (f"cc-{TRACE}-{PARENT}-01-what-comes", f"00-{TRACE}-{PARENT}-01"),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        ("garbage\n", None),
        (None, None),
    ],
    ids=["plain", "unsampled", "later", "too-long", "forbidden", "no-trace", "no-span", "capitals", "garbage", "none"],
)
def test_a_traceparent_is_read_as_w3c_says(header: str | None, read: str | None) -> None:
    """A later version is read as far as it is known; what is none is as if it were not there."""
    assert traceparent_of(header) == read
