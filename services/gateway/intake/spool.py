"""Where uploads lie while they arrive. Several gateways may share the folder; what a killed one leaves is swept."""

import asyncio
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import structlog

from shared import scratch
from shared.errors import SettingsError

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0


class Spool:
    """A folder of this process in `parent`."""

    def __init__(self, parent: Path) -> None:
        """Makes `parent`. Raises `SettingsError` when nothing can be written to it."""
        try:
            parent.mkdir(parents=True, exist_ok=True)
            writable = os.access(parent, os.W_OK | os.X_OK)
        except OSError:
            writable = False
        if not writable:
            raise SettingsError(f"SPOOL_DIR: {parent} must be a folder that can be written")
        self._parent = parent
        self._folder = parent

    @contextmanager
    def held(self) -> Generator[None]:
        """There is room for uploads for the time of the block; nothing of them is left behind it."""
        with scratch.own_folder(self._parent) as self._folder:
            yield

    def place(self) -> Path:
        """Where a new upload can be written to. The path is ours alone; there is no such file yet."""
        return self._folder / f"upload-{uuid.uuid4().hex}"

    async def keep_clean(self) -> None:
        """Removes what dead gateways have left, at once and ever again, until cancelled."""
        while True:
            try:
                if removed := await asyncio.to_thread(scratch.sweep, self._parent):
                    log.info("spool_swept", gateways=removed)
            except OSError as error:
                log.warning("spool_not_swept", error=str(error))
            await asyncio.sleep(SWEEP_SECONDS)
