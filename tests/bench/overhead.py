"""What the mesh costs: a 60 s recording through five services, against the same models called in one process.

The direct run is the four stages one after the other on the same engines, without Redis, HTTP or other processes. Both
are warm, and take turns. `python -m tests.bench.overhead`
"""

import asyncio
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec

from services.asr import engine as asr_engine
from services.asr.settings import Settings as AsrSettings
from services.asr.stage import STAGE as ASR
from services.insights import engine as insights_engine
from services.insights.settings import Settings as InsightsSettings
from services.insights.stage import STAGE as INSIGHTS
from services.nlp import engine as nlp_engine
from services.nlp.settings import Settings as NlpSettings
from services.nlp.stage import STAGE as NLP
from services.translate import engine as translate_engine
from services.translate.settings import Settings as TranslateSettings
from services.translate.stage import STAGE as TRANSLATE
from shared.messages import Options, Segment
from shared.stage import Stage
from tests.bench.stand import real_workers, standing
from tests.fakes.recordings import speech, wav_of
from tests.fakes.stage import FakeEmit, FakeWork

RUNS = 5
SECONDS = 60
OPTIONS = Options(language="en", target_language="pt", include_insights=True)


class Times(msgspec.Struct, frozen=True):
    """Seconds from the start to the first partial transcript, and to the end."""

    first: float
    total: float


class _TimedEmit(FakeEmit):
    """Notes when the first segment was handed on."""

    first: float | None = None

    async def segments(self, segments: Any, *, done: float | None = None) -> None:
        self.first = self.first or time.perf_counter()
        await super().segments(segments, done=done)


def engines() -> list[tuple[Stage, Any]]:
    """The four stages with their engines, loaded and warm."""
    pairs: list[tuple[Stage, Any]] = [
        (ASR, asr_engine.make_engine(AsrSettings())),
        (TRANSLATE, translate_engine.make_engine(TranslateSettings())),
        (NLP, nlp_engine.make_engine(NlpSettings())),
        (INSIGHTS, insights_engine.make_engine(InsightsSettings())),
    ]
    for _, engine in pairs:
        engine.load()
        engine.warm_up()
    return pairs


async def direct(pairs: list[tuple[Stage, Any]], recording: Path) -> Times:
    """One run in this process."""
    started = time.perf_counter()
    first, document = None, None
    segments: list[Segment] = []
    for stage, engine in pairs:
        work = FakeWork(OPTIONS, batches=[segments] if segments else [], document=document, audio=recording)
        emit = _TimedEmit(work)
        document = await stage.run(work, engine, emit)
        first = first or emit.first
        segments = list(work.written)
    assert first is not None
    return Times(first=first - started, total=time.perf_counter() - started)


async def meshed(url: str, recording: Path) -> Times:
    """One run over HTTP."""
    started = time.perf_counter()
    first = None
    form = aiohttp.FormData()
    form.add_field("audio", recording.read_bytes(), filename="recording.wav")
    for name, value in (("language", "en"), ("include_translation", "true"), ("include_insights", "true")):
        form.add_field(name, value)
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20) as session,
        session.post(f"{url}/audio/process-stream-realtime", data=form) as response,
    ):
        response.raise_for_status()
        async for line in response.content:
            if b'"step":"transcription",' in line:
                first = first or time.perf_counter()
    assert first is not None
    return Times(first=first - started, total=time.perf_counter() - started)


async def main() -> None:
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.wav"
        recording.write_bytes(wav_of(speech(SECONDS)))
        async with standing(real_workers()) as stand:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bench.overhead", "direct", str(recording), stdin=-1, stdout=-1
            )
            assert child.stdin
            assert child.stdout
            await child.stdout.readline()
            direct_runs: list[Times] = []
            mesh_runs: list[Times] = []
            for _ in range(RUNS):
                child.stdin.write(b"go\n")
                direct_runs.append(msgspec.json.decode(await child.stdout.readline(), type=Times))
                mesh_runs.append(await meshed(stand.url, recording))
            child.stdin.close()
            await child.wait()
    for name, runs in (("direct", direct_runs), ("mesh", mesh_runs)):
        first, total = (statistics.median(getattr(run, part) for run in runs) for part in ("first", "total"))
        print(f"{name:6}: first partial {first:.2f} s, total {total:.2f} s")
    ratios = [mesh.total / plain.total for mesh, plain in zip(mesh_runs, direct_runs, strict=True)]
    print(f"total, mesh / direct: median {statistics.median(ratios):.2f} of {RUNS} runs in turn")


async def _serve_direct(recording: Path) -> None:
    pairs = engines()
    await direct(pairs, recording)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(msgspec.json.encode(await direct(pairs, recording)).decode(), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["direct"]:
        asyncio.run(_serve_direct(Path(sys.argv[2])))
    else:
        asyncio.run(main())
