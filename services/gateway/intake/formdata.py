"""Multipart forms as they arrive: where their parts begin, and the small text fields among them."""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import unquote

from litestar import Request
from multipart import (
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,  # pyright: ignore[reportUnknownVariableType] - it has no annotations
)

from services.gateway.problems import Disconnected, Problem, nearest

SLACK_BYTES = 1 << 20
"""A body may be larger than what it carries by this much: boundaries, headers and text fields."""

LIST = "[]"
"""What the name of a field that is a list ends with."""

_FIELD_BYTES = 16 << 10
_PARTS = 160
"""Enough for every list of labels at its longest with a field for each label."""
_HEADER_BYTES = 16 << 10
NAME_CHARACTERS = 255
LEAST_BYTES_PER_SECOND = 512
"""A body that brings less over the time in which something has to arrive has stalled, too: a byte now and then would
hold its place for ever."""

_HEADER_CHARSET = "voxmesh_replaced"
"""UTF-8 in which what is none is replaced: a file named in another charset is no reason to refuse its recording. The
parser takes the name of a codec, and decodes strictly by it."""

_EXTENDED_NAME = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)")

LISTS = frozenset(("topics", "entity_labels", "redact"))
"""Fields that may come several times, each with one item, in which commas are but commas."""
ITEM = "\x02"
"""Stands between such items in the text of the field. Nobody writes it."""


class TextFields:
    """The text fields of a form. `known` are their names, and the `content` (a recording, a text) goes into the field
    `main`: that is for who errs. A field whose name ends in `[]` is a list: it may come more than once, and its values
    are put together with commas. One of `LISTS` may, too: then each holds one item, put together with `ITEM`."""

    def __init__(self, known: frozenset[str], *, content: str, main: str) -> None:
        self.values: dict[str, str] = {}
        self._known = known
        self._place = f"The {content} goes into '{main}'"
        self._main = main
        self._field = ""
        self._text = bytearray()

    def begin(self, name: str) -> None:
        """The part of this name begins. Raises `Problem` for one that is not known, or was there before."""
        shown = name[:100]
        if name not in self._known:
            meant = nearest(name, {*self._known, self._main})
            hint = f"Did you mean '{meant}'? " if meant else ""
            others = f"{self._place}; other fields are: {', '.join(sorted(self._known))}."
            raise Problem(
                400,
                "unknown_field",
                f"There is no field '{shown}'. {hint}{others}",
                field=shown,
                offered=(meant,) if meant else (),
            )
        if name in self.values and name not in LISTS and not name.endswith(LIST):
            raise Problem(400, "field_twice", f"The field '{shown}' was sent more than once.", field=shown)
        self._field = name
        self._text.clear()

    def take(self, data: bytes) -> None:
        """More of it. Raises `Problem` when it gets too long."""
        self._text += data
        if len(self._text) > _FIELD_BYTES:
            raise Problem(400, "field_too_long", f"The field '{self._field}' is too long.", field=self._field)

    def end(self) -> None:
        """It is whole. Raises `Problem` when it is no text."""
        text = decoded(self._text, field=self._field)
        if self._field in self.values:
            text = self.values[self._field] + (ITEM if self._field in LISTS else ",") + text
            if len(text) > _FIELD_BYTES:
                raise Problem(400, "field_too_long", f"The list '{self._field}' is too long.", field=self._field)
        self.values[self._field] = text


def decoded(data: bytes | bytearray, *, field: str) -> str:
    """The text of a field. Raises `Problem` when it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "bad_field", f"The field '{field}' is not UTF-8 text.", field=field) from error


def parser_of(request: Request[Any, Any, Any], *, field: str) -> PushMultipartParser:
    """What takes the body apart. Raises `Problem` when it is no form; `field` is the one that it must have."""
    header = request.headers.get("content-type", "")
    kind, options = cast("tuple[str, dict[str, str]]", parse_options_header(header))
    if kind != "multipart/form-data" or not options.get("boundary"):
        detail = f"Send the request as multipart/form-data, with the field '{field}': with curl, -F {field}=…"
        raise Problem(400, "not_a_form", detail)
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        detail = "Send the form as it is: a body with a Content-Encoding is not unpacked here."
        raise Problem(400, "not_a_form", detail)
    return PushMultipartParser(
        options["boundary"],
        max_segment_count=_PARTS,
        max_header_size=_HEADER_BYTES,
        header_charset=_HEADER_CHARSET,
    )


def announced(request: Request[Any, Any, Any]) -> int:
    """How many bytes the body will have, as far as the client says."""
    return int(request.headers.get("content-length") or 0)


async def body_of(request: Request[Any, Any, Any], *, stall_seconds: float) -> AsyncIterator[bytes]:
    """The body in the pieces in which it comes. Raises `Disconnected` when it does not come whole, and `Problem` with
    408 when next to nothing of it comes for so long. What is done with a piece takes no part of that time."""
    loop = asyncio.get_running_loop()
    waited, came = 0.0, 0
    while True:
        since = loop.time()
        try:
            async with asyncio.timeout(stall_seconds - waited):
                message = await request.receive()
        except TimeoutError as error:
            raise _stalled(stall_seconds) from error
        waited += loop.time() - since
        if message["type"] == "http.disconnect":
            raise Disconnected
        if message["type"] == "http.request":
            came += len(message["body"])
            if came >= LEAST_BYTES_PER_SECOND * stall_seconds:
                waited, came = 0.0, 0
            yield message["body"]
            if not message["more_body"]:
                return


def _stalled(seconds: float) -> Problem:
    return Problem(
        408,
        "upload_stalled",
        f"The upload has stood still for {seconds:g} seconds. Check the connection and send it again.",
        headers={"Connection": "close"},  # the rest of the body may still come; it is not for the next request
    )


def file_name_of(part: MultipartSegment) -> str | None:
    """The file name of a part, also when it comes only in the form of RFC 5987; None for a text field."""
    name = part.filename
    extended = _EXTENDED_NAME.search(cast("str", part["Content-Disposition"]))
    if extended is not None:
        try:
            name = unquote(extended[2], encoding=extended[1], errors="replace")
        except LookupError:
            name = name or extended[2]
    return name if name is None else name[:NAME_CHARACTERS]


def damaged() -> Problem:
    """The refusal of a body in which parts or their ends are missing."""
    return Problem(400, "bad_form", "The form is damaged or incomplete.")


def _replaced(data: Any, _errors: str = "strict", /) -> tuple[str, int]:
    return codecs.utf_8_decode(data, "replace", True)


def _header_codec(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(codecs.utf_8_encode, _replaced, name=name) if name == _HEADER_CHARSET else None


codecs.register(_header_codec)
