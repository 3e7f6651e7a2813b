"""Recordings by URL: fetched within the limits of uploads, and never from the gateway's own network."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from services.gateway.settings import Settings
from tests.fakes.form import wav
from tests.fakes.gateway import served
from tests.fakes.receiver import answer, receiving

SOUND = wav()


@pytest.fixture
def reaching(gateway_settings: Settings) -> Settings:
    """Recordings may be fetched from this machine, if they are small and quick."""
    return msgspec.structs.replace(
        gateway_settings, outbound_allow="127.0.0.1/32", max_upload_bytes=100_000, upload_stall_seconds=0.3
    )


@pytest.fixture
async def client(reaching: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(reaching) as client:
        yield client


async def submit(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    return await client.post("/audio/tasks", files={"audio_url": (None, url)}, headers=headers)


def left(settings: Settings) -> list[Path]:
    """Files of uploads that are still there."""
    return [path for path in settings.spool_dir.rglob("*") if path.is_file() and path.name != "lock"]


async def test_a_url_stands_for_its_recording(client: httpx.AsyncClient) -> None:
    """It is fetched with a plain GET, and the task is called after the end of its path."""
    async with receiving(answer(200, SOUND)) as receiver:
        accepted = await submit(client, f"{receiver.url}/calls/caf%C3%A9.wav?signature=x")
    assert accepted.status_code == 202
    assert (await client.get(accepted.json()["links"]["self"])).json()["name"] == "café.wav"
    (came,) = receiver.came
    assert came.line == "GET /calls/caf%C3%A9.wav?signature=x HTTP/1.1"
    assert not {"authorization", "cookie", "x-api-key"} & came.headers.keys()


async def test_the_same_url_under_the_same_key_is_not_fetched_again(client: httpx.AsyncClient) -> None:
    """Another one is a conflict."""
    async with receiving(answer(200, SOUND)) as receiver:
        first = await submit(client, f"{receiver.url}/a.wav", **{"Idempotency-Key": "k"})
        again = await submit(client, f"{receiver.url}/a.wav", **{"Idempotency-Key": "k"})
        other = await submit(client, f"{receiver.url}/b.wav", **{"Idempotency-Key": "k"})
    assert again.json()["task_id"] == first.json()["task_id"]
    assert other.status_code == 409
    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    ("raw", "status", "code", "says"),
    [
        (answer(404), 422, "url_unreachable", "404"),
        (answer(302, location="http://169.254.169.254/"), 422, "url_unreachable", "another address"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", 413, "too_large", "100,000"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_001, 413, "too_large", "100,000"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nRIFF", 422, "url_unreachable", "breaks off"),
        (b"no HTTP\r\n\r\n", 422, "url_unreachable", "is none"),
        (answer(200, b"<html>Please log in</html>" * 50), 415, "unsupported_media", ""),
        (answer(200), 422, "empty_audio", ""),
    ],
    ids=["missing", "redirect", "said to be large", "large", "cut short", "no HTTP", "a page", "empty"],
)
async def test_what_cannot_be_fetched_is_refused_by_name(
    client: httpx.AsyncClient, reaching: Settings, *, raw: bytes, status: int, code: str, says: str
) -> None:
    """Why, and for whose sake; no task and no file is left. A redirect leads nowhere."""
    async with receiving(raw) as receiver:
        refused = await submit(client, receiver.url)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert says in refused.json()["detail"]
    assert len(receiver.came) == 1
    assert (await client.get("/audio/tasks")).json()["tasks"] == []
    assert left(reaching) == []


async def test_a_host_that_says_next_to_nothing_is_given_up(client: httpx.AsyncClient) -> None:
    """A byte now and then would hold its place for ever."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"R")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        refused = await submit(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert refused.json()["code"] == "url_unreachable"
    assert "for too long" in refused.json()["detail"]


@pytest.mark.parametrize(
    "url", ["http://[::1]/", "http://2130706433/", "https://169.254.169.254/latest/", "https://10.0.0.1/", "file:///x"]
)
async def test_c06_a_recording_in_the_network_is_refused(client: httpx.AsyncClient, url: str) -> None:
    """By name, before anybody is asked."""
    refused = await submit(client, url)
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "bad_url", "audio_url")


async def test_a_recording_comes_in_one_way(client: httpx.AsyncClient) -> None:
    """Both ways at once are refused; an empty URL is none."""
    both = await client.post(
        "/audio/tasks", files={"audio": ("a.wav", SOUND), "audio_url": (None, "https://x.example/")}
    )
    assert (both.status_code, both.json()["code"]) == (400, "audio_twice")
    alone = await client.post("/audio/tasks", files={"audio": ("a.wav", SOUND), "audio_url": (None, " ")})
    assert alone.status_code == 202
    neither = await submit(client, " ")
    assert (neither.status_code, neither.json()["code"]) == (400, "audio_missing")
