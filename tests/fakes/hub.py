"""A model hub on this machine: the part of Hugging Face's protocol that a download needs, and its misfortunes."""

import hashlib
import json
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.fakes.authority import Certificate

COMMIT = "0123abc" + "0" * 33


class Hub(ThreadingHTTPServer):
    """Serves one repository, `owner/tiny`: its files by name. Those over 10 bytes are large, as with LFS.

    `heard` holds each request: path, `Range` and `Authorization`. `cuts` says of a file after how many bytes the next
    answer with it breaks off. `elsewhere` is a server that it sends on to for files, as hubs do.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.heard: list[tuple[str, str | None, str | None]] = []
        self.cuts: dict[str, int] = {}
        self.elsewhere: str | None = None
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


@contextmanager
def serving(files: Mapping[str, bytes], certificate: Certificate | None = None) -> Generator[Hub]:
    """A hub that runs; over TLS, if it has a certificate."""
    with Hub(files) as hub:
        if certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(*certificate)
            hub.socket = tls.wrap_socket(hub.socket, server_side=True)
            hub.scheme = "https"
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        hub = self.server
        hub.heard.append((self.path, self.headers["Range"], self.headers["Authorization"]))
        begin, _, name = self.path.partition(f"/resolve/{COMMIT}/")
        if self.path.startswith("/api/models/owner/tiny/revision/"):
            self._send(json.dumps(_described(hub.files)).encode())
        elif begin == "/owner/tiny" and hub.elsewhere:
            self.send_response(302)
            self.send_header("Location", hub.elsewhere + self.path)
            self.end_headers()
        elif begin == "/owner/tiny" and name in hub.files:
            self._send(hub.files[name])
        else:
            self.send_error(404)

    def _send(self, data: bytes) -> None:
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        most = self.server.cuts.pop(self.path.rpartition("/")[2], len(data))
        self.wfile.write(data[start : start + most])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own
        """Says nothing."""


def _described(files: Mapping[str, bytes]) -> dict[str, object]:
    return {"sha": COMMIT, "cardData": {"license": "mit"}, "siblings": [_sibling(*file) for file in files.items()]}


def _sibling(name: str, data: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    sibling: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob}
    if len(data) > 10:
        sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
    return sibling
