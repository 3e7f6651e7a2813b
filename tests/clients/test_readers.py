"""Clients that people really use read the same events, with the same text, and resume alike."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx_sse
import pytest

from services.gateway.settings import Settings
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.gateway import serving
from tests.fakes.task import LiveTask

ODD = 'a\u2028b\x0bc\x85d\r\ne\rf\n"q" \ufeff data: x'
Events = list[tuple[str, Any]]


async def with_curl(url: str, last_id: str) -> Events:
    """curl, and a shell's way to read lines."""
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine (apt-get install curl)")
    command = ["curl", "-sS", "--no-buffer", "-H", f"Last-Event-ID: {last_id}", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return _of_lines(out.split(b"\n"))


async def with_aiohttp(url: str, last_id: str) -> Events:
    """aiohttp, with room for a long line."""
    headers = {"Last-Event-ID": last_id}
    async with (
        aiohttp.ClientSession(read_bufsize=2**26) as session,
        session.get(url, headers=headers) as response,
    ):
        return _of_lines([line.rstrip(b"\n") async for line in response.content])


async def with_httpx_sse(url: str, last_id: str) -> Events:
    """A library that knows the format."""
    async with (
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
        httpx_sse.aconnect_sse(client, "GET", url, headers={"Last-Event-ID": last_id}) as source,
    ):
        return [(event.id, json.loads(event.data)) async for event in source.aiter_sse()]


def _of_lines(lines: list[bytes]) -> Events:
    ids = [line[4:].decode() for line in lines if line.startswith(b"id: ")]
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
    return list(zip(ids, events, strict=True))


@pytest.fixture
async def url(settings: BaseSettings, tmp_path: Path) -> AsyncIterator[str]:
    gateway = Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    async with serving(gateway) as server:
        yield f"http://127.0.0.1:{server.config.port}"


@pytest.mark.parametrize("read", [with_curl, with_aiohttp, with_httpx_sse])
async def test_s07_s08_every_reader_sees_the_same(url: str, redis: Redis, read: Callable[..., Any]) -> None:
    """Odd separators, a line of half a megabyte, and a return behind the first event, of one task and of two."""
    one, two = [await LiveTask(redis).create() for _ in range(2)]
    for task in (one, two):
        await task.say(ODD)
        await task.say("long " * 100_000)
        await task.complete()
    expected = [(f"{number}-0", json.loads(event)) for number, event in enumerate(one.log, 1)]
    path = f"{url}/audio/tasks/{one.task_id}/events"
    assert await read(path, "") == expected
    assert await read(path, "1-0") == expected[1:]
    many = f"{url}/audio/events?task_id={one.task_id}&task_id={two.task_id}"
    whole = await read(many, "")
    rest = await read(many, whole[2][0])
    for task in (one, two):
        events = [event for _, event in whole[:3] + rest if event["task_id"] == task.task_id]
        assert events == [json.loads(event) for event in task.log]
