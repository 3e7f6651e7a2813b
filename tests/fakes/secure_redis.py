"""A redis-server that speaks TLS alone and asks its clients for a certificate, and a Sentinel of that kind."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import RedisServer
from tests.fakes.authority import Authority, Certificate
from tests.fakes.sentinel import Sentinel
from tests.fetching import debian


class _Secure(RedisServer):
    """Mixed in before the server that it is. Raises `Unavailable` where there is no such Redis."""

    def _secure(self, authority: Authority, certificate: Certificate, *, clients: bool) -> None:
        self._program, self._environ = str(debian.redis().path), debian.redis().environ
        self._arguments += ["--port", "0", "--tls-port", str(self.port), "--tls-replication", "yes"]
        self._arguments += ["--tls-ca-cert-file", str(authority.certificate)]
        self._arguments += ["--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key)]
        self._arguments += ["--tls-auth-clients", "yes" if clients else "no"]
        self._context = ssl.create_default_context(cafile=authority.certificate)
        self._context.check_hostname = False
        self._context.load_cert_chain(*certificate)

    def _answers(self) -> bool:
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
                self._context.wrap_socket(connection) as secured,
            ):
                secured.sendall(b"PING\r\n")
                return secured.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


class SecureRedis(_Secure):
    """Shows `certificate`; takes `clients` with one of the same authority only."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        authority: Authority,
        certificate: Certificate,
        clients: bool = True,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, port=port, appendonly=True, options=options)
        self.url = f"rediss://127.0.0.1:{port}/0"
        self._secure(authority, certificate, clients=clients)


class SecureSentinel(_Secure, Sentinel):
    """Watches a master of that kind."""

    def __init__(
        self, folder: Path, *, port: int, master_port: int, authority: Authority, certificate: Certificate
    ) -> None:
        Sentinel.__init__(self, folder, port=port, master_port=master_port)
        self._secure(authority, certificate, clients=True)
