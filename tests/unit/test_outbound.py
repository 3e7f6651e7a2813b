"""Whom the gateway asks on a client's behalf, and whom it does not."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from services.gateway.outbound import Guard, Refused, Target, Unreachable, request
from services.gateway.outbound.addresses import is_public, networks_of
from shared.errors import SettingsError
from tests.fakes.receiver import answer, receiving

HERE = networks_of("127.0.0.1/32")
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127。0。0。1",
    "0.0.0.0",  # noqa: S104 - nothing listens
    "0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:0a00:0001::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[::1",
]
"""Hosts that are no public address, in all the ways to write one."""


def resolver(*addresses: str) -> Guard:
    """A guard for whom every name has these addresses."""

    async def lookup(_: str, __: int) -> Sequence[str]:
        return addresses

    return Guard(lookup=lookup)


async def body_at(url: str, *, silence_seconds: float = 5) -> bytes:
    """What is there, of which this machine may be asked."""
    guard = Guard(HERE)
    async with request(guard, guard.target(url), method="GET", headers={}, silence_seconds=silence_seconds) as found:
        return b"".join([piece async for piece in found.pieces()])


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_c06_addresses_of_the_network_are_refused_at_once(scheme: str, host: str) -> None:
    """However they are written."""
    with pytest.raises(Refused):
        Guard().target(f"{scheme}://{host}/latest/meta-data/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "javascript:alert(1)",
        "//example.com/",
        "example.com",
        "https://",
        "https:///path",
        "https://user:pass@example.com/",
        "https://public.example@127.0.0.1/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com\\@127.0.0.1/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_c06_what_is_no_https_url_is_refused(url: str) -> None:
    """Other protocols, users, ports that cannot be, and what parsers understand in different ways."""
    with pytest.raises(Refused):
        Guard().target(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Example.com", Target("https", "example.com", 443, "/")),
        ("HTTPS://example.com:8443/a%20b?c=d", Target("https", "example.com", 8443, "/a%20b?c=d")),
        ("https://bücher.example/ä#part", Target("https", "xn--bcher-kva.example", 443, "/%C3%A4")),
        ("https://1.1.1.1/", Target("https", "1.1.1.1", 443, "/")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
    ],
)
def test_public_addresses_are_let_through(url: str, target: Target) -> None:
    """Taken apart, in ASCII, without the fragment."""
    assert Guard().target(url) == target


@pytest.mark.parametrize(
    "addresses",
    [("10.1.2.3",), ("127.0.0.1",), ("169.254.169.254",), ("::1",), ("1.1.1.1", "10.0.0.1"), ("fe80::1%lo",)],
)
async def test_c06_a_name_that_leads_into_the_network_is_refused(addresses: tuple[str, ...]) -> None:
    """The addresses count, all of them, and not the name."""
    guard = resolver(*addresses)
    with pytest.raises(Refused):
        await guard.resolve(guard.target("https://rebind.example/"))


async def test_c06_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    """A name that changes its address between two look-ups is looked up once; the request still bears its name."""
    asked: list[str] = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with receiving(answer(200, b"here")) as receiver:
        guard = Guard(HERE, lookup=rebinding)
        target = guard.target(f"http://rebind.example:{receiver.port}/hook")
        async with request(guard, target, method="GET", headers={}, silence_seconds=5) as found:
            assert b"".join([piece async for piece in found.pieces()]) == b"here"
        assert asked == ["rebind.example"]
        assert receiver.came[0].headers["host"] == f"rebind.example:{receiver.port}"
        with pytest.raises(Refused):
            async with request(guard, target, method="GET", headers={}, silence_seconds=5):
                pass
    assert len(receiver.came) == 1


async def test_c06_a_redirect_is_an_answer() -> None:
    """Nobody goes where it leads."""
    async with receiving(answer(302, location="http://169.254.169.254/")) as receiver:
        guard = Guard(HERE)
        target = guard.target(receiver.url)
        async with request(guard, target, method="GET", headers={}, silence_seconds=5) as found:
            assert found.status == 302
    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-x\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ],
    ids=["other protocol", "nothing", "cut short", "endless head", "cut between chunks"],
)
async def test_an_answer_that_is_none_or_breaks_off_is_an_error(raw: bytes) -> None:
    """Never half a body for a whole one."""
    async with receiving(raw) as receiver:
        with pytest.raises(Unreachable) as caught:
            await body_at(receiver.url)
    assert caught.value.code == "bad_answer"


async def test_silence_ends_a_request() -> None:
    """Of a server that takes the connection and says nothing."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        with pytest.raises(Unreachable) as caught:
            await body_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", silence_seconds=0.05)
    assert caught.value.code == "timeout"


def test_networks_are_checked_at_the_start() -> None:
    """What is none is refused by name; none at all is the default."""
    assert networks_of("") == ()
    assert is_public(ip_address("1.1.1.1"))
    with pytest.raises(SettingsError, match="OUTBOUND_ALLOW"):
        networks_of("10.0.0.1/8")
