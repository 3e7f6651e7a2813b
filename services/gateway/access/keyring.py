"""The API keys that are let in, from `API_KEYS` and `API_KEYS_FILE`. A change of the file counts within a second."""

import hmac
import time
from pathlib import Path

import structlog

from services.gateway.settings import Settings
from shared.apikeys import Entry, digest_of, parse
from shared.errors import SettingsError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
"""How often the file is looked at, and then only when somebody comes with a key."""


class Keyring:
    """Raises `SettingsError` for keys that cannot be read at the start. Should the file become unreadable later, the
    keys that were last read still count, and the log says so."""

    def __init__(self, settings: Settings) -> None:
        self.required = bool(settings.api_keys) or settings.api_keys_file is not None
        """Whether a key is asked for. A file without a key in it locks everybody out."""
        self._fixed = parse("API_KEYS", settings.api_keys.split(","))
        self._file = settings.api_keys_file
        self._filed: tuple[Entry, ...] = ()
        self._seen: tuple[int, ...] | None = None
        self._next_look = 0.0
        if self._file is not None:
            self._read(self._file)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All keys."""
        return self._fixed + self._filed

    def owner_of(self, key: str) -> str | None:
        """Whose key it is, None when it is nobody's. Takes the same time for any key."""
        self._look()
        digest, owner = digest_of(key), None
        for entry in self.entries:
            if hmac.compare_digest(entry.digest, digest):
                owner = entry.name
        return owner

    def _look(self) -> None:
        now = time.monotonic()
        if self._file is None or now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        try:
            self._read(self._file)
        except SettingsError as error:
            log.error("api_keys_unreadable", error=error.message)

    def _read(self, file: Path) -> None:
        """Take over what the file says, if it is another or has been changed since."""
        try:
            status = file.stat()
            seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            self._filed = parse("API_KEYS_FILE", file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"API_KEYS_FILE: {file} cannot be read") from error
        if self._seen is not None:
            log.info("api_keys_changed", keys=len(self.entries))
        self._seen = seen
