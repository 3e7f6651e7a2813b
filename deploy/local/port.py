"""Which address the gateway can take."""

import errno
import socket

from shared.errors import SettingsError


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that nobody uses at the moment."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Raises `SettingsError` when `host`:`port` cannot be listened on."""
    try:
        with socket.socket(_family(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OverflowError as error:
        raise SettingsError("PORT: it must be a number from 0 to 65535") from error
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"PORT: another program uses {port} on {host}; choose another",
            errno.EACCES: f"PORT: you may not listen on {port}; choose one above 1023",
        }
        unknown = f"HOST: {host} is not an address of this machine ({error.strerror})"
        raise SettingsError(reasons.get(error.errno or 0, unknown)) from error


def address(host: str, port: int) -> str:
    """The URL of `host`:`port`."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable(host: str) -> str:
    """Where a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 (not bound here)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
