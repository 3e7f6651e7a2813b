"""The README's example for a company that signs its certificates itself, with all that is asked over TLS."""

import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from shared.models.store import verify
from tests.chart import helm
from tests.chart.helm import Manifest, of_kind
from tests.chart.machine import Cluster, Process, environ_of, initialise
from tests.conftest import free_port, wait_until
from tests.fakes.authority import Authority, Certificate
from tests.fakes.hub import serving
from tests.fakes.recordings import speech, wav_of
from tests.fakes.secure_redis import SecureRedis
from tests.fetching import Unavailable, leave_out

HOST = "IP:127.0.0.1"


def _example() -> str:
    (text,) = re.findall(r"```yaml\n([^`]*company-ca[^`]*)```", (helm.CHART / "README.md").read_text(encoding="utf-8"))
    return str(text)


def _deployment(service: str, folder: Path, *options: str, example: str | None = None) -> Manifest:
    """With the values of the example on top of what the options set."""
    (folder / "example.yaml").write_text(_example() if example is None else example, encoding="utf-8")
    values = (part for option in options for part in ("--set-json", option))
    text = helm.run("template", "demo", ".", "-f", str(folder / "example.yaml"), *values)
    return of_kind("Deployment", list(yaml.load_all(text, yaml.CSafeLoader)))[service]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The company."""
    try:
        return Authority(tmp_path / "authority")
    except Unavailable as error:
        leave_out(error)


def _cluster(folder: Path, authority: Authority, *, redis_port: int = 6379) -> Cluster:
    secrets = {"company-ca/ca.crt": authority.certificate.read_text(), "hooks/webhook-secret": "whsec_" + "MfKQ" * 8}
    secrets |= {"bucket/access-key-id": "id", "bucket/secret-access-key": "key"}
    variables = {"PIP_CONFIG_FILE": "/dev/null", "NO_PROXY": "127.0.0.1", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return Cluster(folder=folder, redis_port=redis_port, models=folder / "models", secrets=secrets, variables=variables)


class _Everybody(ThreadingHTTPServer):
    """Bucket, collector, receiver, index and language model in one; `heard` holds what was asked."""

    def __init__(self, certificate: Certificate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*certificate)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.heard: list[str] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever does not believe us hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Everybody  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.heard.append(f"{self.command} {self.path}")
        self.send_response(404 if self.command == "GET" else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the library's own names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """The test's output is not for this."""


@contextmanager
def _everybody(authority: Authority) -> Generator[_Everybody]:
    with _Everybody(authority.sign("everybody", HOST)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("believed", [True, False], ids=["with", "without"])
def test_models_come_from_a_hub_of_the_company(believed: bool, authority: Authority, tmp_path: Path) -> None:
    """The init container fetches from it; without the example it says in its error what is the matter."""
    with serving({"model.bin": b"the weights"}, authority.sign("hub", HOST)) as hub:
        asr = _deployment(
            "asr",
            tmp_path,
            'stages.asr.models=["owner/tiny"]',
            f'modelCache.extraEnv=[{{"name":"HF_ENDPOINT","value":"{hub.url}"}}]',
            example=None if believed else "{}",
        )
        done = initialise(asr, _cluster(tmp_path, authority))
    if believed:
        assert done.returncode == 0, done.stderr
        assert verify(tmp_path / "models", "owner/tiny") == []
    else:
        assert done.returncode == 1
        assert "certificate verify failed" in done.stderr


def test_pip_asks_an_index_of_the_company(authority: Authority, tmp_path: Path) -> None:
    """pip, which fetches the models of the manifest, believes it, too."""
    with _everybody(authority) as everybody:
        index = f'modelCache.extraEnv=[{{"name":"PIP_INDEX_URL","value":"{everybody.url}/simple"}}]'
        done = initialise(_deployment("nlp", tmp_path, index), _cluster(tmp_path, authority))
    assert done.returncode == 1, "the index is empty"
    assert any(line.startswith("GET /simple/") for line in everybody.heard), done.stderr


async def test_the_gateway_believes_whom_the_company_signs(authority: Authority, tmp_path: Path) -> None:
    """Redis, the bucket, the receiver of a webhook and the collector of traces, in one cancelled upload."""
    try:
        redis = SecureRedis(
            tmp_path, port=free_port(), authority=authority, certificate=authority.sign("redis", HOST), clients=False
        )
    except Unavailable as error:
        leave_out(error)
    redis.start()
    try:
        with _everybody(authority) as everybody:
            gateway = _deployment(
                "gateway",
                tmp_path,
                'redis={"mode":"external","host":"redis","tls":{"enabled":true}}',
                'blobStore={"type":"url","url":"s3://recordings"}',
                f'blobStore.s3={{"region":"here","endpoint":"{everybody.url}","existingSecret":"bucket"}}',
                f'tracing.endpoint="{everybody.url}"',
                'gateway.webhookSecret.existingSecret="hooks"',
                'gateway.config.OUTBOUND_ALLOW="127.0.0.1/32"',
            )
            process = Process(gateway, _cluster(tmp_path, authority, redis_port=redis.port))
            try:
                await process.until_ready()
                await _submit_and_cancel(process, f"{everybody.url}/hook")
                wanted = {"PUT /recordings/", "POST /hook", "POST /v1/traces"}

                def all_heard() -> bool:
                    return all(any(line.startswith(each) for line in everybody.heard) for each in wanted)

                await wait_until(all_heard, description="bucket, receiver and collector have been asked")
            finally:
                process.kill()
    finally:
        redis.stop()


async def _submit_and_cancel(process: Process, hook: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        form = {"webhook_url": hook, "language": "en"}
        sent = await http.post(process.url("/audio/tasks"), data=form, files={"audio": ("a.wav", wav_of(speech(1.0)))})
        assert sent.status_code == 202, sent.text
        gone = await http.delete(process.url(f"/audio/tasks/{sent.json()['task_id']}"))
        assert gone.status_code < 300, gone.text


_ASK = """
import asyncio, datetime, os
from services.insights._chat import Chat
from services.insights.settings import Settings
from services.insights.stage import Passage
from shared.settings import load
passage = Passage(segment=0, start=0.0, end=1.0, text="Hello.")
asyncio.run(Chat(load(Settings, os.environ)).ask([passage], today=datetime.date(2026, 1, 1)))
"""


def test_insights_believes_a_language_model_of_the_company(authority: Authority, tmp_path: Path) -> None:
    """What asks the model, with the variables of the pod."""
    with _everybody(authority) as everybody:
        config = f'{{"INSIGHTS_ENGINE":"llm","LLM_BASE_URL":"{everybody.url}/v1","LLM_MODEL":"small","LLM_ATTEMPTS":1}}'
        insights = _deployment("insights", tmp_path, f"stages.insights.config={config}")
        environ = environ_of(insights, _cluster(tmp_path, authority), {"health": free_port()})
        done = subprocess.run([sys.executable, "-c", _ASK], env=environ, capture_output=True, text=True, check=False)
    assert everybody.heard == ["POST /v1/chat/completions"], done.stderr
