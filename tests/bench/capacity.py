"""What each stage costs for a minute of speech, from which follows what one replica holds: docs/scaling.md.

The engines run one after the other in this process. Told are seconds on the clock, and seconds of processor, which say
more on a machine that does other things as well. `python -m tests.bench.capacity`
"""

import asyncio
import resource
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.messages import Segment
from shared.stage import Stage
from tests.bench.overhead import OPTIONS, SECONDS, engines
from tests.fakes.recordings import speech, wav_of
from tests.fakes.stage import FakeEmit, FakeWork

RUNS = 3


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def once(pairs: list[tuple[Stage, Any]], recording: Path) -> dict[str, tuple[float, float]]:
    """Seconds on the clock and of processor of each stage, for one recording."""
    costs: dict[str, tuple[float, float]] = {}
    segments: list[Segment] = []
    document = None
    for stage, engine in pairs:
        work = FakeWork(OPTIONS, batches=[segments] if segments else [], document=document, audio=recording)
        clock, used = time.perf_counter(), _processor_seconds()
        document = await stage.run(work, engine, FakeEmit(work))
        costs[stage.name] = (time.perf_counter() - clock, _processor_seconds() - used)
        segments = list(work.written)
    return costs


async def main() -> None:
    pairs = engines()
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.wav"
        recording.write_bytes(wav_of(speech(SECONDS)))
        await once(pairs, recording)
        runs = [await once(pairs, recording) for _ in range(RUNS)]
    for stage, _ in pairs:
        clock, used = (statistics.median(run[stage.name][part] for run in runs) for part in (0, 1))
        print(f"{stage.name:10} {clock:6.2f} s on the clock, {used:6.2f} s of processor, for {SECONDS} s of speech")


if __name__ == "__main__":
    asyncio.run(main())
