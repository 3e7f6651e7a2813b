"""Uploads that come to nothing: whatever ends them, the disk is as it was before."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from services.gateway.settings import Settings
from shared import codec, events, tasks
from shared.messages import Failure, StageName, State, Step
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.form import form, part, wav
from tests.fakes.gateway import client_of, served, serving
from tests.fakes.place import Place
from tests.mesh import LIMITS, gateway_process, until_ended, worker_process

FORM = {"Content-Type": "multipart/form-data; boundary=X"}
BODY = form(part("audio", wav(), disposition='; filename="a.wav"'))


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Place:
    return Place(redis, tmp_path)


@pytest.fixture
def gateway_settings(settings: BaseSettings, place: Place) -> Settings:
    return Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=place.spool)


async def submitted(client: httpx.AsyncClient, body: bytes = BODY) -> httpx.Response:
    return await client.post("/audio/tasks", content=body, headers=FORM)


class Connection:
    """A client that sends as much of `BODY` as a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


async def half_sent(port: int, cut: int) -> Connection:
    """An upload of which the first `cut` bytes have been sent."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    head = f"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n"
    await connection.send(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + BODY[:cut])
    return connection


@pytest.mark.parametrize("cut", [100, 20_000])
async def test_u22_a_client_that_goes_away_leaves_nothing(gateway_settings: Settings, place: Place, cut: int) -> None:
    """Half an upload is no upload: no task, no file, and nothing that an operator has to look into."""
    async with serving(gateway_settings) as server, client_of(server) as client:
        connection = await half_sent(server.config.port, cut)
        await wait_until(lambda: bool(place.uploads()), description="the upload has begun")
        with capture_logs() as logs:
            connection.writer.close()
            await wait_until(place.is_clean, description="everything is gone")
            await wait_until(lambda: bool(logs), description="it is logged")
        assert [(line["event"], line["log_level"]) for line in logs] == [("request_abandoned", "info")]
        assert (await submitted(client)).status_code == 202


@pytest.mark.parametrize("drip", [False, True])
async def test_u22_an_upload_that_stands_still_is_given_up(
    gateway_settings: Settings, place: Place, *, drip: bool
) -> None:
    """Whether nothing comes any more or a byte now and then: the client is told, and its connection closed."""
    settings = msgspec.structs.replace(gateway_settings, upload_stall_seconds=0.5)
    async with serving(settings) as server, client_of(server) as client:
        connection = await half_sent(server.config.port, 100)
        await wait_until(lambda: bool(place.uploads()), description="the upload has begun")
        answer = bytearray()

        async def take() -> None:
            with suppress(ConnectionResetError):  # by a byte that came behind the answer
                while chunk := await connection.reader.read(65_536):
                    answer.extend(chunk)

        taking = asyncio.create_task(take(), name="take")

        async def over() -> bool:
            if drip and not answer:
                with suppress(ConnectionResetError):
                    await connection.send(b"x")
            return taking.done()

        await wait_until(over, description="the gateway ends it")
        await taking
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        assert b" 408 " in head.splitlines()[0]
        assert json.loads(body)["code"] == "upload_stalled"
        assert await place.is_clean()
        assert (await submitted(client)).status_code == 202
        connection.writer.close()


async def test_u22_a_slow_upload_is_no_standing_one(gateway_settings: Settings) -> None:
    """One that takes longer than the limit, but goes on, is taken."""
    settings = msgspec.structs.replace(gateway_settings, upload_stall_seconds=0.5)
    loop = asyncio.get_running_loop()
    async with served(settings) as client:
        begun = loop.time()

        async def slow() -> AsyncIterator[bytes]:
            for start in range(0, len(BODY), 1_000):
                await wait_until(
                    lambda due=begun + start / 1_000 * 0.03: loop.time() > due, description="the next piece is due"
                )
                yield BODY[start : start + 1_000]

        answer = await client.post("/audio/tasks", content=slow(), headers=FORM)
        assert answer.status_code == 202
        assert loop.time() - begun > 0.9


async def test_u24_fifty_refusals_leave_nothing(gateway_settings: Settings, place: Place) -> None:
    """Failures do not fill the disk."""
    body = form(part("audio", b"plain text\n", disposition='; filename="text.wav"'))
    async with served(gateway_settings) as client:
        answers = await asyncio.gather(*(submitted(client, body) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {415}
    assert await place.is_clean()


async def test_u24_fifty_cancelled_tasks_leave_no_recording(gateway_settings: Settings, place: Place) -> None:
    """A recording goes with the end of its task, and no other does."""
    scripts = Scripts(place.redis, LIMITS)
    failure = Failure(code="cancelled", message="Cancelled.")
    async with served(gateway_settings) as client:
        answers = await asyncio.gather(*(submitted(client) for _ in range(51)))
        waiting, *cancelled = [answer.json()["task_id"] for answer in answers]
        for task_id in cancelled:
            event = events.make_end(task_id, State.CANCELLED, failure)
            await scripts.close(task_id, State.CANCELLED, event=event, error=codec.encode_text(failure))
        await wait_until(lambda: len(place.files()) <= 1, description="the recordings are gone")
        assert [path.name for path in place.files()] == [waiting]


async def test_u24_a_killed_gateway_leaves_nothing_for_long(settings: BaseSettings, place: Place) -> None:
    """Of two gateways that share a spool one is killed with five uploads in hand: the other removes them, and not its
    own, which becomes a task."""
    ports, environ = (free_port(), free_port()), {"SPOOL_DIR": str(place.spool)}
    with (
        gateway_process(settings, port=ports[0], environ=environ) as killed,
        gateway_process(settings, port=ports[1], environ=environ),
    ):
        for port in ports:
            await until_ready(port)
        doomed = [await half_sent(ports[0], 20_000) for _ in range(5)]
        await wait_until(lambda: len(place.uploads()) == 5, description="five uploads have begun")
        alive = await half_sent(ports[1], 20_000)
        await wait_until(lambda: len(place.uploads()) == 6, description="the sixth has begun")
        killed.kill()
        await wait_until(lambda: len(place.uploads()) == 1, description="those of the killed one are gone")
        await alive.send(BODY[20_000:])
        assert (await alive.reader.readline()).split()[1] == b"202"
        for connection in (alive, *doomed):
            connection.writer.close()
        (kept,) = place.files()
        assert await tasks.read(place.redis, kept.name) is not None


async def test_u24_a_gateway_that_starts_removes_what_a_killed_one_left(settings: BaseSettings, place: Place) -> None:
    """Also when it was the only one."""
    environ = {"SPOOL_DIR": str(place.spool)}
    port = free_port()
    with gateway_process(settings, port=port, environ=environ) as killed:
        await until_ready(port)
        connection = await half_sent(port, 20_000)
        await wait_until(lambda: bool(place.uploads()), description="the upload has begun")
        killed.kill()
        killed.wait()
        connection.writer.close()
    assert len(place.uploads()) == 1
    async with served(Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=place.spool)):
        await wait_until(lambda: not place.uploads(), description="the upload is gone")
    assert list(place.spool.iterdir()) == []


async def test_u24_a_recording_that_kills_its_workers_goes_with_its_task(
    gateway_settings: Settings, settings: BaseSettings, place: Place
) -> None:
    """Each of its three workers dies over it; it stays for the next, and is removed when the task has failed."""
    async with served(gateway_settings) as client:
        task_id = (await submitted(client)).json()["task_id"]
        for attempt in range(3):
            with worker_process(StageName.ASR, settings, {"FAKE_CRASH_AT": "1", "LEASE_SECONDS": "1"}) as worker:
                await wait_until(lambda: worker.poll() is not None, description=f"attempt {attempt} dies")
            assert [path.name for path in place.files()] == [task_id]
        with worker_process(StageName.ASR, settings, {"LEASE_SECONDS": "1"}):
            *_, last = await until_ended(place.redis, task_id)
        assert last.step is Step.FAILED
        await wait_until(lambda: not place.files(), description="the recording is gone")


async def until_ready(port: int) -> None:
    """Returns when the gateway at `port` can take requests."""
    async with httpx.AsyncClient(trust_env=False) as client:

        async def ready() -> bool:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until(ready, description="the gateway is ready", seconds=60)
