"""A worker process with a fake stage: `python -m tests.fakes.worker STAGE`.

FAKE_SEGMENTS sentences are spoken (3). FAKE_DIARY names a file to which each segment number that is worked on is added.
FAKE_SECONDS is how long the engine takes for each (0). FAKE_STALL_AT is the number at which the engine never returns,
FAKE_CRASH_AT the one at which the process dies.
"""

import os
import sys
import threading
from pathlib import Path

from shared.messages import StageName
from shared.runner.worker import serve
from shared.settings import StageSettings
from tests.fakes.stages import STAGES, FakeEngine


def _do(number: int) -> None:
    if diary := os.environ.get("FAKE_DIARY"):
        with Path(diary).open("a") as lines:
            lines.write(f"{number}\n")
    threading.Event().wait(float(os.environ.get("FAKE_SECONDS", "0")))
    if os.environ.get("FAKE_STALL_AT") == str(number):
        threading.Event().wait()
    if os.environ.get("FAKE_CRASH_AT") == str(number):
        os.abort()


def _make_engine(_: StageSettings) -> FakeEngine:
    return FakeEngine(_do, segments=int(os.environ.get("FAKE_SEGMENTS", "3")))


if __name__ == "__main__":
    serve(STAGES[StageName(sys.argv[1])], _make_engine, StageSettings)
