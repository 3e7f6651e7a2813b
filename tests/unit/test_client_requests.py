"""`MeshClient` against servers that misbehave."""

import asyncio
import re
import time
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from shared.client import DeadlineExceeded, MeshClient, MeshError, MeshRefused, MeshUnreachable, _http
from shared.client._form import recording_form
from tests.conftest import free_port


class Request:
    """One request as it came. `body` counts its bytes and keeps none but the first."""

    def __init__(self, head: bytes) -> None:
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        self.start = b""
        self.size = 0


CLOSE = b"Connection: close"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncGenerator[tuple[str, list[Request]]]:
    """A server that gives each connection the next of `answers` when its request is whole, the last one to all that
    follow, and then closes it, but for a stream without `CLOSE`: that stays open, and silent. Its address, and the
    requests so far."""
    requests: list[Request] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        request = Request(await reader.readuntil(b"\r\n\r\n"))
        requests.append(request)
        said = answers[min(len(requests), len(answers)) - 1]
        while request.size < int(request.headers.get("content-length", "0")):
            chunk = await reader.read(1 << 16)
            request.start = request.start or chunk
            request.size += len(chunk)
        writer.write(said)
        if b"event-stream" in said and CLOSE not in said:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    if serving:
        await asyncio.wait(serving, timeout=10)


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", CLOSE.decode(), *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


CUT = b"HTTP/1.1 202 Accep"
SUBMITTED = answer("202 Accepted", '{"task_id":"t","links":{"of":"the future"}}')
ABLE = answer("200 OK", '{"limits":{"upload_bytes":100000000,"of":"the future"}}')
LATER = answer("503 Service Unavailable", '{"code":"queue_full","detail":"Come back."}', "Retry-After: 1")
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n"


def stream(*numbers: int, end: bool = False) -> bytes:
    """A stream that says these events of a task, the last one its end if so told, and breaks off."""
    head = STREAM.replace(b"2000", b"1").replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n\r\n", 1)
    steps = ["started"] * len(numbers)
    if end:
        steps[-1] = "failed"
    said = '{"task_id":"t","step":"%s","progress":5,"message":"%d","timestamp":"2024-05-15T12:00:00Z"}'
    events = (f"id: {number}-0\ndata: {said % (step, number)}\n\n" for number, step in zip(numbers, steps, strict=True))
    return head + "".join(events).encode()


async def test_s08_each_connection_goes_on_behind_the_last_event() -> None:
    """Its id is sent along. Should the gateway begin anew all the same, because its log has lost the latest seconds,
    what was seen is left out, but never the end."""
    answers = (stream(1, 2), stream(3), stream(1, 2, 3, 4), stream(3, end=True))
    async with answering(*answers) as (url, requests), MeshClient(url) as client:
        seen = [update.message async for update in client.events("t")]
    assert seen == ["1", "2", "3", "4", "3"]
    assert [request.headers.get("last-event-id") for request in requests] == [None, "2-0", "3-0", "4-0"]


def stream_of(*events: tuple[str, str, str]) -> bytes:
    """The same of several tasks: the id of each event, its task and its step."""
    said = '{"task_id":"%s","step":"%s","progress":5,"message":"","timestamp":"2024-05-15T12:00:00Z"}'
    lines = (f"id: {event_id}\ndata: {said % (task_id, step)}\n\n" for event_id, task_id, step in events)
    return stream() + "".join(lines).encode()


async def test_s12_several_tasks_go_on_behind_the_last_event_of_each() -> None:
    """The same for many tasks over one stream, whose ids name the place in each; the last end is the end of it."""
    answers = (
        stream_of(("one:1", "one", "started"), ("one:1,two:1", "two", "started"), ("one:2,two:1", "one", "failed")),
        stream_of(("two:1", "two", "started"), ("two:2", "two", "ner"), ("two:2,one:1", "one", "started")),
        stream_of(("one:2,two:3", "two", "failed"), ("one:2,two:4", "two", "ner")),
    )
    async with answering(*answers) as (url, requests), MeshClient(url) as client:
        seen = [(update.task_id, update.step) async for update in client.events_of(["one", "two"])]
    assert seen == [("one", "started"), ("two", "started"), ("one", "failed"), ("two", "ner"), ("two", "failed")]
    assert [request.headers.get("last-event-id") for request in requests] == [None, "one:2,two:1", "two:2"]
    assert {request.line for request in requests} == {"GET /audio/events?task_id=one&task_id=two HTTP/1.1"}


async def test_c01_a_lost_reply_makes_no_second_task() -> None:
    """The submission is sent again, whole and under the same key; the next one has another."""
    async with answering(CUT, SUBMITTED) as (url, requests), MeshClient(url, api_key="secret") as client:
        assert await client.submit(b"sound") == "t"
        assert await client.submit(b"sound") == "t"
    keys = [request.headers["idempotency-key"] for request in requests]
    assert keys[0] == keys[1] != keys[2]
    assert requests[0].start == requests[1].start
    assert {request.headers["authorization"] for request in requests} == {"Bearer secret"}


async def test_what_can_be_read_once_is_not_sent_twice() -> None:
    """A stream that broke off is gone; the caller is told rather than half a recording submitted."""

    async def once() -> AsyncIterator[bytes]:
        yield b"sound"

    async with answering(ABLE, CUT, SUBMITTED) as (url, requests), MeshClient(url) as client:
        with pytest.raises(MeshUnreachable):
            await client.submit(once())
    assert len(requests) == 2


async def test_a_long_upload_begins_when_it_can_succeed(tmp_path: Path) -> None:
    """A recording that is too large, or a key that is not known, is told before anything is sent, over however slow a
    line; a short one is sent at once."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.truncate(101_000_000)
    stranger = answer("403 Forbidden", '{"code":"key_unknown","detail":"No."}')
    async with answering(ABLE, stranger, SUBMITTED) as (url, requests), MeshClient(url) as client:
        for code in ("too_large", "key_unknown"):
            with pytest.raises(MeshRefused) as refused:
                await client.submit(path)
            assert refused.value.code == code
        await client.submit(b"sound")
    asked = "GET /audio/capabilities HTTP/1.1"
    assert [request.line for request in requests] == [asked, asked, "POST /audio/tasks HTTP/1.1"]


async def test_retry_after_is_kept_to() -> None:
    """A gateway that is full is asked again when it says, and not before."""
    async with answering(LATER, SUBMITTED) as (url, requests), MeshClient(url) as client:
        before = time.monotonic()
        assert await client.submit(b"sound") == "t"
        assert time.monotonic() - before >= 1
    assert len(requests) == 2


async def test_who_cannot_wait_so_long_is_told_at_once() -> None:
    """Behind the patience it is the refusal itself, behind the deadline its being late; nobody waits for either."""
    async with answering(LATER) as (url, _), MeshClient(url, patience=0.5) as hasty, MeshClient(url) as client:
        with pytest.raises(MeshRefused) as refused:
            await hasty.task("t")
        assert (refused.value.status, refused.value.code, refused.value.message) == (503, "queue_full", "Come back.")
        with pytest.raises(DeadlineExceeded):
            await client.task("t", deadline=0.5)


async def test_a_gateway_that_is_not_there_is_waited_for_so_long_and_no_longer() -> None:
    """Patience and deadline both end the attempts; a deadline is a `TimeoutError`."""
    url = f"http://127.0.0.1:{free_port()}"
    async with MeshClient(url, patience=0.3) as client:
        with pytest.raises(MeshUnreachable, match=url):
            await client.submit(b"sound")
        with pytest.raises(MeshUnreachable):
            await anext(client.events("t"))
    async with MeshClient(url) as client:
        with pytest.raises(TimeoutError, match=r"within 0\.3 s"):
            await client.submit(b"sound", deadline=0.3)


async def test_a_deadline_ends_a_stream_that_says_nothing() -> None:
    """Neither an open connection nor one that is being opened outlasts it."""
    async with answering(STREAM) as (url, _), MeshClient(url) as client:
        with pytest.raises(DeadlineExceeded):
            await anext(client.events("t", deadline=0.3))
    async with answering(b"") as (url, _), MeshClient(url) as client:
        with pytest.raises(DeadlineExceeded):
            await anext(client.watch(b"sound", deadline=0.3))


async def test_streams_that_end_at_once_are_not_asked_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without a single event or ping is no sign of life, however often it is opened."""
    monkeypatch.setattr(_http, "_STREAM", httpx.Timeout(0.05))
    silent = STREAM.replace(b"2000", b"1")
    async with answering(silent) as (url, requests), MeshClient(url, patience=0.5) as client:
        with pytest.raises(MeshUnreachable):
            await anext(client.events("t"))
    assert len(requests) > 1


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted"])
async def test_a_server_that_is_no_gateway_is_found_out(status: str) -> None:
    """Its page is not taken for an answer or a stream."""
    page = answer(status, "<html>Welcome!</html>", "Content-Type: text/html")
    async with answering(page) as (url, _), MeshClient(url) as client:
        for call in (client.submit(b"sound"), client.task("t"), anext(client.events("t"))):
            with pytest.raises(MeshError, match="Is the address right"):
                await call


async def test_an_upload_takes_no_memory(tmp_path: Path) -> None:
    """64 MB leave from their file; little of them is ever held."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    async with answering(ABLE, SUBMITTED) as (url, requests), MeshClient(url) as client:
        tracemalloc.start()
        try:
            await client.submit(path)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
    assert requests[1].size > 64 << 20


async def test_a_recording_that_still_grows_is_sent_as_it_was(tmp_path: Path) -> None:
    """As long as the gateway has been told that it is; one that shrinks meanwhile is an `OSError`."""
    path = tmp_path / "growing.wav"
    path.write_bytes(b"x" * 1000)
    form = recording_form(path, {}, name="")
    path.write_bytes(b"x" * 3000)
    sent = b"".join([piece async for piece in form.body()])
    assert len(sent) == int(form.headers["Content-Length"])
    path.write_bytes(b"x" * 10)
    with pytest.raises(OSError, match="shorter while it was being sent"):
        [piece async for piece in form.body()]


@pytest.mark.parametrize(
    "url", ["nowhere", "http://", "http://[::1", "http://host:99999", "http://host:port", "http://host:0"]
)
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    """A `ValueError` with the address in it, and no request."""
    with pytest.raises(ValueError, match=f"^{re.escape(repr(url))} is no address of a gateway"):
        MeshClient(url)


async def test_what_no_task_is_called_is_no_other_path() -> None:
    """It is refused as the gateway would, and nothing is asked of it."""
    async with answering(SUBMITTED) as (url, requests), MeshClient(url) as client:
        for name in ("", "..", "../tasks", "a/b", "a?b", "日本", "\udcff"):
            for call in (client.task(name), client.result(name), client.cancel(name), anext(client.events(name))):
                with pytest.raises(MeshRefused) as caught:
                    await call
                assert (caught.value.status, caught.value.code) == (404, "no_such_task")
    assert requests == []


async def test_what_no_header_can_hold_is_told_at_once() -> None:
    """Not after the whole patience, and not as a gateway that does not answer."""
    async with answering(SUBMITTED) as (url, _), MeshClient(url) as client:
        for key in ("a\nb", "ü"):
            with pytest.raises(ValueError, match=r"head of a request|ordinal"):
                await client.submit(b"sound", idempotency_key=key)


async def test_a_recording_that_cannot_be_read_is_the_callers_affair(tmp_path: Path) -> None:
    """An `OSError`, and no request."""
    async with answering(SUBMITTED) as (url, requests), MeshClient(url) as client:
        with pytest.raises(FileNotFoundError):
            await client.submit(tmp_path / "nowhere.wav")
    assert requests == []
