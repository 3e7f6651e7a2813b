"""Our asr stage against the pipelines that WhisperX and faster-whisper bring, on the same model, file and threads.

`python -m tests.bench.recogniser [PART…]`: speed, clips, first, memory; all of them when none is named. Models are
loaded before any clock runs. Ratios are of one run; seconds are only as good as the machine is quiet.
"""

import asyncio
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from deploy.local.malloc import for_worker
from services.asr.engine import make_engine
from services.asr.settings import Settings
from services.asr.stage import run
from shared.audio import decode
from shared.inference import processors
from shared.inference.batches import Batches
from shared.inference.device import Device
from shared.messages import Segment
from shared.models.store import locate
from tests.fakes.recordings import RATE, Sound, write_wave
from tests.fakes.stage import FakeEmit, FakeWork
from tests.mesh import ROOT

MODELS = Path("~/.cache/voxmesh/models").expanduser()
SAMPLE = ROOT / "deploy/local/sample.ogg"
AT_ONCE = 8
"""Tasks that a worker has in hand, by default."""

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class SharedWork(FakeWork):
    """Work whose engine is shared with other tasks, as in a worker."""

    def __init__(self, audio: Path, device: Device, batches: Batches) -> None:
        super().__init__(audio=audio)
        self._device = device
        self._batches = batches

    async def compute(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._device.compute(function, *args, **kwargs)

    async def share(
        self,
        function: Callable[[Sequence[I]], Sequence[O]],
        item: I,
        *,
        weight: float = 1.0,
        most: float = 1.0,
        urgent: bool = False,
    ) -> O:
        return await self._batches.ask(function, item, weight=weight, most=most, urgent=urgent).answer


class FirstText(Exception):
    """The first segment has been written; the rest is of no interest."""


class Impatient(FakeEmit):
    """Stops at the first segment."""

    async def segments(self, segments: Sequence[Segment], *, done: float | None = None) -> None:
        del segments, done
        raise FirstText


def loaded(**more: Any) -> Any:
    """Our engine."""
    engine = make_engine(Settings(asr_engine="light", models_dir=MODELS, **more))
    engine.load()
    engine.warm_up()
    return engine


def speech(seconds: float) -> Sound:
    """The sample scene again and again."""
    scene = decode(SAMPLE).samples
    return np.resize(scene, int(seconds * RATE))


def timed(name: str, work: Callable[[], int]) -> float:
    """How long `work` takes; it returns how many characters it has heard. What it takes of the processors depends less
    on what else runs on the machine."""
    begun, busy = time.perf_counter(), time.process_time()
    characters = work()
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    print(f"  {name:32} {seconds:7.1f} s  {busy:7.1f} s of processors  {characters} characters", flush=True)
    return seconds


def ours(engine: Any, path: Path) -> int:
    device = Device(patience_seconds=60)
    work = SharedWork(path, device, Batches(device))
    asyncio.run(run(work, engine, FakeEmit(work)))
    device.close()
    return sum(len(segment.text) for segment in work.written)


WORKER = for_worker("asr", {})
"""What an asr worker has in its environment."""


def process(environ: Mapping[str, str], enter: Callable[..., None] | None = None, *arguments: Any) -> Pool:
    """A process to compute in, started with `environ`, and by calling `enter` with its arguments."""
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    try:
        return multiprocessing.get_context("spawn").Pool(1, enter, arguments)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def as_worker(measure: Callable[[Path], None], folder: Path) -> None:
    """Take a measure in a process like that of an asr worker."""
    with process(WORKER) as pool:
        pool.apply(measure, (folder,))


class Contestant:
    """Somebody who transcribes, loaded in a process of its own: what one asks of malloc or of numpy is no help, and no
    harm, to the other."""

    def __init__(
        self, name: str, load: Callable[[], Callable[[Path], int]], environ: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._process = process(environ or {}, _enter, load)
        self._process.apply(os.getpid)  # which it does when all is loaded

    def seconds(self, path: Path) -> float:
        """How long it takes for the recording."""
        return self._process.apply(_transcribed, (self._name, path))

    def close(self) -> None:
        self._process.terminate()


_transcribe: Callable[[Path], int] = len  # pyright: ignore[reportAssignmentType] - is set in the process


def _enter(load: Callable[[], Callable[[Path], int]]) -> None:
    globals()["_transcribe"] = load()


def _transcribed(name: str, path: Path) -> float:
    return timed(name, lambda: _transcribe(path))


def our_stage() -> Callable[[Path], int]:
    """As it runs in its worker."""
    return partial(ours, loaded())


def faster_whisper_batched() -> Callable[[Path], int]:
    """Its batched pipeline, with word times as ours."""
    library: Any = import_module("faster_whisper")
    model = library.WhisperModel(
        str(locate(MODELS, "whisper-base")), "cpu", compute_type="int8", cpu_threads=processors.available()
    )
    pipeline = library.BatchedInferencePipeline(model)

    def transcribe(path: Path) -> int:
        segments, _ = pipeline.transcribe(decode(path).samples, batch_size=4, word_timestamps=True)
        return sum(len(segment.text) for segment in segments)

    return transcribe


def whisperx_pipeline() -> Callable[[Path], int]:
    """With its default VAD, and without word times."""
    library: Any = import_module("whisperx")
    model = str(locate(MODELS, "whisper-base"))
    pipeline = library.load_model(model, "cpu", compute_type="int8", threads=processors.available())

    def transcribe(path: Path) -> int:
        answer = pipeline.transcribe(decode(path).samples, batch_size=4)
        return sum(len(segment["text"]) for segment in answer["segments"])

    return transcribe


def measure_speed(folder: Path) -> None:
    """Ten minutes of speech, three times in turn."""
    path = write_wave(folder / "ten.wav", speech(600) * 32767)
    contestants = [
        Contestant("voxmesh, asr stage", our_stage, WORKER),
        Contestant("faster-whisper, batched", faster_whisper_batched),
        Contestant("WhisperX, default VAD", whisperx_pipeline),
    ]
    rounds = [[contestant.seconds(path) for contestant in contestants] for _ in range(3)]
    for contestant in contestants:
        contestant.close()
    batched, piped = (median(times[other] / times[0] for times in rounds) for other in (1, 2))
    print(f"  {piped:.2f} x WhisperX, {batched:.2f} x faster-whisper batched (medians of three)")


def measure_clips(folder: Path) -> None:
    """Thirty-two recordings of five seconds, one after the other and all at once."""
    sound = speech(160)
    paths = [write_wave(folder / f"{i}.wav", sound[i * 5 * RATE :][: 5 * RATE] * 32767) for i in range(32)]
    engine = loaded()

    async def all_of_them(at_once: int) -> int:
        device = Device(patience_seconds=60)
        batches, places = Batches(device), asyncio.Semaphore(at_once)

        async def one(path: Path) -> int:
            async with places:
                work = SharedWork(path, device, batches)
                await run(work, engine, FakeEmit(work))
                return sum(len(segment.text) for segment in work.written)

        counts = await asyncio.gather(*(one(path) for path in paths))
        device.close()
        return sum(counts)

    ratios = [
        timed("one by one", lambda: asyncio.run(all_of_them(1)))
        / timed(f"{AT_ONCE} in hand at a time", lambda: asyncio.run(all_of_them(AT_ONCE)))
        for _ in range(3)
    ]
    print(f"  {median(ratios):.2f} x as fast together (median of three)")


def measure_first(folder: Path) -> None:
    """How long the first text of a long recording takes, and of a short one."""
    engine = loaded()
    minute = speech(60)

    def until_first(path: Path) -> int:
        work = FakeWork(audio=path)
        try:
            asyncio.run(run(work, engine, Impatient(work)))
        except FirstText:
            return 0
        raise RuntimeError("nothing was heard")

    short = write_wave(folder / "minute.wav", minute * 32767)
    long = write_wave(folder / "hours.wav", np.tile((minute * 32767).astype(np.int16), 120))
    until_first(short)
    ratios = [
        timed("first text, two hours", lambda: until_first(long))
        / timed("first text, one minute", lambda: until_first(short))
        for _ in range(3)
    ]
    print(f"  {median(ratios):.2f} x as long for two hours (median of three)")


def measure_memory(folder: Path) -> None:
    """The peak of a process of its own, for ten minutes and for two hours, with a single hypothesis to save time."""
    minute = (speech(60) * 32767).astype(np.int16)
    peaks: list[float] = []
    for minutes in (10, 120):
        path = write_wave(folder / "long.wav", np.tile(minute, minutes))
        with process(WORKER) as pool:
            peaks.append(pool.apply(_peak, (path,)))
        print(f"  {minutes:3} minutes: {peaks[-1]:.0f} MB at the peak", flush=True)
    print(f"  {peaks[1] / peaks[0]:.2f} x the memory for two hours")


def _peak(path: Path) -> float:
    ours(loaded(asr_beam_size=1), path)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(parts: Sequence[str]) -> None:
    measures: dict[str, Callable[[Path], None]] = {
        "speed": measure_speed,
        "clips": partial(as_worker, measure_clips),
        "first": partial(as_worker, measure_first),
        "memory": measure_memory,
    }
    for part in parts or measures:
        print(part)
        with TemporaryDirectory(prefix="voxmesh-bench-") as folder:
            measures[part](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
