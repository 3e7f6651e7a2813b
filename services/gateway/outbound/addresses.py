"""Which addresses may be asked on a client's behalf."""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from shared.errors import SettingsError

MOST_CHARACTERS = 2_000
RESOLVE_SECONDS = 5.0

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS = {"https": 443, "http": 80}
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
"""The last part of what some resolvers take for an IPv4 address: 2130706433, 0x7f.1, 127.1."""
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")
_CARRIERS = {
    ip_network("64:ff9b::/96"): 0,
    ip_network("::/96"): 0,
    ip_network("::ffff:0:0/96"): 0,
    ip_network("::ffff:0:0:0/96"): 0,
    ip_network("2002::/16"): 80,
}
"""IPv6 networks whose addresses carry an IPv4 address, and how many bits stand behind that."""
_NEVER: tuple[Network, ...] = (
    ip_network("64:ff9b:1::/48"),
    ip_network("2001::/32"),
    ip_network("fec0::/10"),
    ip_network("192.88.99.0/24"),
    ip_network("192.0.0.0/24"),
    ip_network("168.63.129.16/32"),
)
"""Translators and tunnels that may lead anywhere, what was private once, and public numbers under which clouds answer
their own machines, whatever tables say of them."""
_UNICAST = ip_network("2000::/3")
"""All that is given out of IPv6."""


class Refused(Exception):
    """The address may not be asked. The message is for the client: it tells nothing of the network here."""


class Target(msgspec.Struct, frozen=True):
    """A URL taken apart. `host` is in lower-case ASCII; `path` has the query behind it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port, as `Host` names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port. Raises `OSError` when there are none."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses as the system knows them."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("the name cannot be one") from error
    return [str(place[0]) for *_, place in found]


class Guard:
    """Lets public addresses through, by https only, and those in `allowed`, which are networks of the operator's, by
    http, too."""

    def __init__(self, allowed: Iterable[Network] = (), *, lookup: Lookup = look_up) -> None:
        self._allowed = tuple(allowed)
        self._lookup = lookup
        self._tls: ssl.SSLContext | None = None

    def tls(self) -> ssl.SSLContext:
        """What others have to prove who they are. Loaded when it is first needed."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def target(self, url: str) -> Target:
        """The URL, if it can be one that may be asked. Raises `Refused` for what is wrong with it at first sight."""
        if len(url) > MOST_CHARACTERS or not url.isprintable() or re.search(r"[\s\\]", url):
            raise Refused(f"it must be a URL of at most {MOST_CHARACTERS:,} characters without spaces")
        try:
            parts = urlsplit(url)
            scheme, port = parts.scheme.lower(), parts.port
        except ValueError as error:
            raise Refused("it is not a URL") from error
        if scheme not in _PORTS or (scheme == "http" and not self._allowed):
            raise Refused("it must begin with https://")
        if parts.username is not None or parts.password is not None:
            raise Refused("it must not hold a user or a password")
        host = _host(parts)
        if port == 0:
            raise Refused("it names a port that cannot be")
        found = _literal(host)
        target = Target(scheme, str(found) if found else host, port or _PORTS[scheme], _path(parts))
        if found:
            self._check(target, [found])
        return target

    async def resolve(self, target: Target) -> Sequence[str]:
        """The addresses of the target, each of which may be asked. Raises `Refused` when one may not, and `OSError`
        when there are none."""
        async with asyncio.timeout(RESOLVE_SECONDS):  # a TimeoutError is an OSError
            names = await self._lookup(target.host, target.port)
        self._check(target, [ip_address(name) for name in names])
        return list(dict.fromkeys(names))

    def _check(self, target: Target, addresses: Iterable[Address]) -> None:
        for address in addresses:
            allowed = any(address.version == network.version and address in network for network in self._allowed)
            if not allowed and not is_public(address):
                raise Refused("it must not lead into a private network")
            if not allowed and target.scheme != "https":
                raise Refused("it must begin with https://")


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks separated by commas. Raises `SettingsError` for one that is none."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"OUTBOUND_ALLOW: {error}; write networks such as 10.2.0.0/16") from error


def is_public(address: Address) -> bool:
    """Whether the address is one of the open internet; for an IPv6 address that carries one of IPv4, whether both are.
    (Those that only carry one are no addresses of their own.)"""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        for network, shift in _CARRIERS.items():
            if address in network:
                return is_public(IPv4Address(int(address) >> shift & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _host(parts: SplitResult) -> str:
    """The host as it is resolved. Raises `Refused` for one that cannot be."""
    host = (parts.hostname or "").lower()
    if ":" not in host:
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError as error:
            raise Refused("its host cannot be one") from error
        if not _HOST.fullmatch(host):
            raise Refused("its host cannot be one")
    return host


def _literal(host: str) -> Address | None:
    """The address that the host is; None for a name. Raises `Refused` for what only looks like an address."""
    try:
        return ip_address(host)
    except ValueError as error:
        if ":" in host or _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise Refused("its host is an address in a form that is not taken") from error
        return None


def _path(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return f"{path}?{query}" if query else path
