"""Which pages of other origins may read the gateway's answers, streams and refusals alike."""

import re

from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

EXPOSED = ["Idempotent-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Task-Id"]
"""What a page may read besides the headers that every page may."""

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/?#\s]+")


def origins_of(text: str) -> list[str]:
    """The origins of a comma-separated list. Raises `ValueError` naming the one that is none."""
    origins = [origin.strip().lower() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"CORS_ORIGINS: {origin!r} is no origin; write https://app.example.com, without a path, or *"
            )
    return origins


def cors_config(origins: list[str]) -> CORSConfig | None:
    """The policy, or None when no other origin is let in. Any header may be sent. Pages that send cookies, which a
    login in front of the gateway may need, are let in by name only: browsers do not take `*` for an answer to them."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_credentials="*" not in origins,
        expose_headers=EXPOSED,
    )


async def vary(message: Message, _: Scope) -> None:
    """Tells caches that an answer is for one origin, also when it went to nobody's page. A hook for `before_send`."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        named = [name.strip() for value in headers.getall("Vary", []) for name in value.split(",")]
        headers["Vary"] = ", ".join(dict.fromkeys([*named, "Origin"]))
