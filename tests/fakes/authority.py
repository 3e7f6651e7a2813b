"""Certificates of an authority of our own, by openssl."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.fetching import Unavailable


class Certificate(NamedTuple):
    """A certificate and its key, each in a file."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `certificate` is what others trust it by. Raises `Unavailable` where there is no openssl."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            raise Unavailable("there is no openssl here (apt-get install openssl)")
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        _make(self.certificate, self._key, "/CN=voxmesh tests")

    def sign(self, name: str, *addresses: str) -> Certificate:
        """One for `addresses`, such as `DNS:localhost` or `IP:127.0.0.1`."""
        made = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        ours = ("-CA", str(self.certificate), "-CAkey", str(self._key))
        extensions = ("-addext", f"subjectAltName={','.join(addresses or (f'DNS:{name}',))}")
        _make(*made, f"/CN={name}", *ours, *extensions, "-addext", "basicConstraints=critical,CA:FALSE")
        return made


def _make(certificate: Path, key: Path, subject: str, *options: str) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", subject, "-out", str(certificate), "-keyout", str(key), *options]
    subprocess.run(command, check=True, capture_output=True)
