"""Serves what lies in `public/`, to anybody: it is the same for all, and says nothing of any task.

The files are read once. A browser that has a file asks whether it is still the same, by its ETag: so after an upgrade
it never runs the modules of two versions together.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, HeaderParameter

from services.gateway.access import OPEN
from services.gateway.downloads import etag, is_known
from services.gateway.problems import Problem

_INDEX = "index.html"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "media-src": "blob:",  # the recording, as the person's own browser holds it
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{name} {source}" for name, source in _POLICY.items()),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_VARY = {"Vary": "Accept"}  # of all answers at `/`: a cache must not give a browser what a program was answered


class _File(msgspec.Struct, frozen=True):
    """One file of the page."""

    body: bytes
    tag: str
    media_type: str


@cache
def _public() -> dict[str, _File]:
    """The files by their names."""
    found: dict[str, _File] = {}
    for entry in files("services.gateway.page").joinpath("public").iterdir():
        ending = entry.name[entry.name.rfind(".") :]
        body = entry.read_bytes()
        found[entry.name] = _File(body, etag(body), _TYPES[ending])
    return found


IfNoneMatch = Annotated[str | None, HeaderParameter(name="If-None-Match")]


@get("/", opt=dict(OPEN), include_in_schema=False)
async def index(request: Request[Any, Any, Any], if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """The page, for a browser. Programs, which do not ask for HTML, find nothing here."""
    if "text/html" not in request.headers.get("accept", ""):
        raise _nothing(headers=_VARY)
    return _answer(_public()[_INDEX], if_none_match, headers=_VARY)


@get("/page/{name:str}", opt=dict(OPEN), include_in_schema=False)
async def part(name: FromPath[str], if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """What belongs to the page."""
    file = _public().get(name)
    if file is None or name == _INDEX:
        raise _nothing()
    return _answer(file, if_none_match)


HANDLERS = (index, part)


def _answer(file: _File, if_none_match: str | None, *, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    headers = _HEADERS | {"ETag": file.tag} | dict(headers or {})
    if is_known(file.tag, if_none_match):
        return Response(b"", status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


def _nothing(*, headers: dict[str, str] | None = None) -> Problem:
    detail = "There is nothing at this path. /schema lists what there is."
    return Problem(404, "no_such_path", detail, headers=headers)
