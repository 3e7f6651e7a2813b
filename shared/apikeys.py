"""API keys as they stand in settings: a name and the SHA-256 of a key, never the key itself.

A key is 256 random bits, so there is no dictionary to try and one plain hash suffices; a slow one, as passwords need
it, would only make each request expensive.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable

import msgspec

from shared.errors import SettingsError

_PREFIX = "vm_"
"""Lets people, and tools that look for secrets in the wrong places, see what it is."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Entry(msgspec.Struct, frozen=True):
    """One key. Several may have the same name: they belong to one tenant."""

    name: str
    digest: bytes


def make() -> str:
    """A new key."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def check_name(name: str) -> None:
    """Raises `SettingsError` when nobody can be called so."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} cannot be a name: use up to 64 of the characters A-Z a-z 0-9 . _ -")


def entry_of(name: str, key: str) -> str:
    """The line for the settings. Raises `SettingsError` when the name cannot be one."""
    check_name(name)
    return f"{name}:{digest_of(key).hex()}"


def parse(source: str, lines: Iterable[str]) -> tuple[Entry, ...]:
    """The entries in `lines`, of which those that are empty or begin with # do not count.

    Raises `SettingsError` with the place of a line that is none, but without the line: it may hold a key.
    """
    found: dict[bytes, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, digest = (part.strip() for part in text.partition(":"))
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
            raise SettingsError(f"{source}: entry {number} is not name:sha256. Make one with `voxmesh key NAME`")
        if found.setdefault(bytes.fromhex(digest), name) != name:
            raise SettingsError(f"{source}: entry {number} gives a key a second name")
    return tuple(Entry(name, digest) for digest, name in found.items())
