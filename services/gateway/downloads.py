"""Names and validators of what a client saves as a file."""

import hashlib
import re
import unicodedata
from urllib.parse import quote

_STEM_CHARACTERS = 80
"""Of four bytes each at most, so that no file system refuses the name."""
_RESERVED = re.compile(r'[<>:"|?*%]')
"""What Windows does not take in a name, and what old browsers decode in one."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


def stem_of(name: str) -> str:
    """What a file that is made from the upload `name` is called, without an ending. `name` may be anything at all; what
    comes back has no path, no control or invisible character and no leading dot, and is not empty."""
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    shown = "".join(character for character in base if unicodedata.category(character)[0] != "C")
    stem = shown.rpartition(".")[0] or shown
    stem = _RESERVED.sub("_", stem).strip(". ")[:_STEM_CHARACTERS].strip(". ")
    return f"_{stem}" if _DEVICE.match(stem) else stem or "result"


def attachment(name: str) -> str:
    """The `Content-Disposition` that saves a file as `name` (RFC 6266): as it is for those who read RFC 5987, in ASCII
    for others. `name` holds no quotation mark, backslash or control character."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(
        character if character.isascii() else "_" for character in plain if not unicodedata.combining(character)
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def etag(body: bytes) -> str:
    """A strong validator of `body`."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether a client that sends `If-None-Match` has what `tag` stands for already."""
    return if_none_match is not None and (if_none_match.strip() == "*" or tag in re.findall(r'"[^"]*"', if_none_match))
