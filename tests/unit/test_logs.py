"""Logs of this process."""

import logging
import subprocess
import sys

import pytest

from shared import logs
from shared.errors import SettingsError
from shared.settings import BaseSettings

_PROGRAM = """
import logging
from shared import logs
from shared.settings import BaseSettings
logs.configure(BaseSettings(log_format="json"), service="asr")
logging.getLogger("arq").warning("slow")
logging.getLogger("libav.mp3float").error("Header missing")
logging.getLogger("httpx").info("GET")
"""


def test_libraries_are_quiet_and_in_our_form() -> None:
    """Their warnings come out as lines of ours; what they say in passing, and FFmpeg about a recording, does not."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=30, check=True)
    assert [line for line in done.stderr.splitlines() if '"event": "slow"' in line] == done.stderr.splitlines()
    assert len(done.stderr.splitlines()) == 1
    assert '"service": "asr"' in done.stderr


def test_an_unknown_level_is_refused() -> None:
    """A typing error does not silence the logs."""
    before = logging.getLogger().level
    with pytest.raises(SettingsError, match=r"^LOG_LEVEL: .*'chatty'.* info,"):
        logs.configure(BaseSettings(log_level="chatty"), service="asr")
    assert logging.getLogger().level == before
