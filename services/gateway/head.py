"""HEAD: what GET would answer, without the body. Litestar knows it only where a handler is written for it."""

from collections.abc import Iterable
from typing import cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send


def with_head(methods: Iterable[str]) -> set[str]:
    """The methods that a path takes, when its handlers take `methods`."""
    return {*methods, "HEAD"} if "GET" in methods else set(methods)


def answering_head(app: ASGIApp) -> ASGIApp:
    """`app`, which answers HEAD as it does GET, but for the body. A stream ends behind its headers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(cast("Scope", {**scope, "method": "GET"}), receive, headers_only)

    return answer
