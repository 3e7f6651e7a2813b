"""A real HTTP server that speaks the chat completions protocol, and answers as it is told."""

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `content` is what the model says, `body` the whole response where it is to be another."""

    content: str = ""
    status: int = 200
    finish_reason: str = "stop"
    tokens: int = 0
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    hold: threading.Event | None = None
    """The answer waits for this."""

    def encoded(self) -> bytes:
        """The response's body."""
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": "no"}}).encode()
        choice = {"index": 0, "message": {"role": "assistant", "content": self.content}}
        return json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "choices": [choice | {"finish_reason": self.finish_reason}],
                "usage": {"prompt_tokens": self.tokens, "completion_tokens": 0, "total_tokens": self.tokens},
            }
        ).encode()


class ChatServer:
    """What it was asked, and what it answers: `replies` one after the other, the last of them for ever, or what
    `answer` makes of a request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.replies: Sequence[Reply] = ()
        self.answer: Callable[[dict[str, Any]], Reply] = self._next
        self.url = ""

    def _next(self, _: dict[str, Any]) -> Reply:
        return self.replies[min(len(self.requests), len(self.replies)) - 1]


@contextmanager
def chat_server() -> Generator[ChatServer]:
    """A server on a free port of loopback, until the block ends."""
    chat = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            chat.requests.append(request)
            chat.headers.append(dict(self.headers))
            reply = chat.answer(request)
            if reply.hold is not None:
                reply.hold.wait(20)
            body = reply.encoded()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """The test's output is not for this."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield chat
        server.shutdown()
        thread.join()
