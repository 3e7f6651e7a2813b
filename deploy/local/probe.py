"""`voxmesh health`: what the service in this container says of itself, for a container's health check."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from shared.errors import SettingsError

_PATIENCE_SECONDS = 4.0
"""Less than the time that a container's health check usually gets, so that it is we who say what is wrong."""


def health(environ: Mapping[str, str], *, kind: str, url: str = "") -> int:
    """Print what `/health/{kind}` answers. 0 when all is well, 1 when it is not or nobody answers.

    Asked is the service at `url` (http://host:port), or the one here: on the worker's `HEALTH_PORT` where there is one,
    and else on the gateway's `PORT`. Raises `SettingsError` for what is no address."""
    host, port = _address(url) if url else ("127.0.0.1", _port(environ))
    connection = HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", f"/health/{kind}")
        response = connection.getresponse()
        print(response.read().decode(errors="replace").strip())
    except (OSError, HTTPException) as error:
        print(f"no answer from {host} on port {port}: {error}")
        return 1
    finally:
        connection.close()
    return 0 if response.status == 200 else 1


def _port(environ: Mapping[str, str]) -> int:
    port = environ.get("HEALTH_PORT") or environ.get("PORT") or "8000"
    if not port.isdecimal():
        raise SettingsError(f"HEALTH_PORT, PORT: it must be a number, not {port!r}")
    return int(port)


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise SettingsError(f"--url: {error}") from error
    if parts.scheme != "http" or not host:
        raise SettingsError(f"--url: it must be http://host:port, not {url!r}")
    return host, port
