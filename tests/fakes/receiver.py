"""A server that the gateway is told to ask: what came, and answers in the order that a test gives."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec

from tests.conftest import free_port
from tests.fakes.authority import Certificate


class Came(msgspec.Struct, frozen=True):
    """One request. Names of headers are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `answers`, one after the other, and then always with the last one."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.port = free_port()
        self.came: list[Came] = []
        self._answers = list(answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.came.append(Came(line, headers, body))
            writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def receiving(*answers: bytes, certificate: Certificate | None = None) -> AsyncGenerator[Receiver]:
    """A receiver for the time of the block; over TLS, if it has a certificate."""
    receiver, tls = Receiver(answers), None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*certificate)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port, ssl=tls):
        yield receiver
