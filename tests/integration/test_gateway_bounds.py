"""What the gateway reads of a request at most, by hand on the wire."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.gateway import protocol
from services.gateway.app import Server
from services.gateway.settings import Settings
from shared import codec
from shared.settings import BaseSettings
from tests.conftest import wait_until
from tests.fakes.gateway import serving
from tests.fakes.tenants import ENTRIES
from tests.fakes.wire import wire_to

LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def server(settings: BaseSettings, tmp_path: Path) -> AsyncIterator[Server]:
    guarded = Settings(
        redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool", api_keys=ENTRIES
    )
    async with serving(guarded) as server:
        yield server


async def refused(server: Server, *pieces: bytes) -> tuple[int, str]:
    """Status and code with which the request is refused; the connection then ends."""
    async with wire_to(server) as wire:
        for piece in pieces:
            await wire.send(piece)
        status, headers, body = await wire.answer()
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert await wire.until_closed() == b""
    return status, codec.decode_plain(body)["code"]


async def test_a_head_has_its_bounds(server: Server) -> None:
    """Address, headers in number and in size: each is refused as what it is, at once or in pieces, ended or not."""
    long, large = b"x" * protocol.ADDRESS_BYTES, b"x" * protocol.HEAD_BYTES
    assert await refused(server, b"GET /" + long + b" HTTP/1.1\r\n\r\n") == (414, "address_too_long")
    assert await refused(server, b"GET /health/live?" + b"a=1&" * 5_000) == (414, "address_too_long")
    assert await refused(server, LIVE, b"X: " + large + b"\r\n\r\n") == (431, "headers_too_large")
    assert await refused(server, LIVE, *[b"X: y\r\n"] * 20_000) == (431, "headers_too_large")
    assert await refused(server, LIVE, b"X: ", large, large) == (431, "headers_too_large")


async def test_what_is_not_http_is_refused_as_a_problem(server: Server) -> None:
    """Whatever the server itself has to say has the form of all other refusals."""
    assert await refused(server, b"HELO gateway\r\n\r\n") == (400, "bad_request")
    assert await refused(server, b"GET http:// HTTP/1.1\r\n\r\n") == (400, "bad_request")
    assert await refused(server, LIVE + b"Content-Length: -1\r\n\r\n") == (400, "bad_request")


async def test_a_head_that_stays_open_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """However diligently a byte comes now and then."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    assert await refused(server, LIVE, b"X: y\r\n") == (408, "head_timeout")


async def test_an_unwanted_body_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused sees the answer at once; of what they go on sending only so much is taken."""
    sent = 0
    monkeypatch.setattr(protocol, "LINGER_BYTES", 8 << 20)
    async with wire_to(server) as wire:
        await wire.send(b"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        status, _, _ = await wire.answer()
        assert status == 401
        with suppress(ConnectionError):
            while sent < 1_000_000_000:
                await wire.send(bytes(1 << 20))
                sent += 1 << 20
    assert sent < 8 * protocol.LINGER_BYTES


async def test_a_request_behind_an_unwanted_body_is_answered(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the body ends just behind the most that is passed over, and all comes in one piece."""
    monkeypatch.setattr(protocol, "LINGER_BYTES", 4)
    async with wire_to(server) as wire:
        await wire.send(b"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert (await wire.answer())[0] == 401
        await wire.send(b"12345" + LIVE + b"\r\n")
        assert (await wire.answer())[0] == 200


async def test_a_connection_rests_only_so_long_behind_an_unwanted_body(server: Server) -> None:
    """The clock starts anew with the body's end."""
    async with wire_to(server) as wire:
        await wire.send(b"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert (await wire.answer())[0] == 401
        for connection in server.server_state.connections:
            connection.timeout_keep_alive = 0  # pyright: ignore[reportAttributeAccessIssue]
        await wire.send(b"12345")
        assert await wire.until_closed() == b""


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_a_body_that_means_nothing_is_passed_over(
    server: Server, method: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small one does not disturb the next request on the connection; one that does not come ends it."""
    async with wire_to(server) as wire:
        for _ in range(2):
            await wire.send(method + b" /audio/tasks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
            assert (await wire.answer())[0] == 401
            await wire.send(b"12345")
        monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.05)
        await wire.send(method + b" /audio/tasks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert (await wire.answer())[0] == 401
        assert await wire.until_closed() == b""


async def test_requests_one_behind_the_other_are_answered(server: Server) -> None:
    """Many on one connection, and many in one piece: what has come before does not count."""
    request = LIVE + b"X: " + b"x" * (protocol.HEAD_BYTES // 2) + b"\r\n\r\n"
    async with wire_to(server) as wire:
        await wire.send(request * 5)
        for _ in range(5):
            assert (await wire.answer())[0] == 200


async def test_a_refused_head_leaves_an_open_answer_whole(server: Server) -> None:
    """Nothing is written into an answer that is on its way."""
    async with wire_to(server) as wire:
        await wire.send(b"POST /audio/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nNONSENSE\r\n\r\n")
        rest = await wire.until_closed()
    assert rest.count(b"HTTP/1.1") <= 1


async def test_whoever_says_nothing_is_dropped(server: Server) -> None:
    """After as long as a connection that rests between two requests."""
    server.config.timeout_keep_alive = 0
    async with wire_to(server) as wire:
        assert await wire.until_closed() == b""
    await wait_until(lambda: not server.server_state.connections, description="no connection is left")
