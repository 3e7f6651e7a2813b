"""What tests of speech recognition share: recordings whose text is known, and how far off a transcript is."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from transformers.models.whisper.english_normalizer import BasicTextNormalizer

from services.asr._clips import Samples
from services.asr.protocol import Engine, Heard, Hints, Request
from services.asr.settings import Settings
from services.asr.stage import run
from shared.audio import decode
from shared.errors import ModelMissing
from shared.messages import Document, Options, Segment
from shared.models.store import locate
from tests.fakes.stage import FakeEmit, FakeWork

MODELS = Path("~/.cache/voxmesh/models").expanduser()
AUDIO = Path(os.environ.get("VOXMESH_AUDIO", Path(__file__).parents[2].parent / "shared" / "audio"))
LINES = {
    "jfk.flac": "and so my fellow americans ask not what your country can do for you ask what you can do for your "
    "country",
    "librivox-0870.wav": "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them",
    "librivox-0880.wav": "he was not an ill disposed young man",
    "librivox-0890.wav": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "librivox-0920.wav": "had he married a more a amiable woman he might have been made still more respectable than "
    "he was",
    "librivox-0930.wav": "he might even have been made amiable himself",
}


def asr_settings(model: str = "whisper-base", **more: object) -> Settings:
    """Settings of the light engine. Skips the test where the model has not been fetched."""
    try:
        locate(MODELS, model)
    except ModelMissing as missing:
        pytest.skip(str(missing))
    return Settings(asr_engine="light", asr_model=model, models_dir=MODELS, **more)  # pyright: ignore[reportArgumentType]


async def transcribe(engine: Engine, path: Path, options: Options | None = None) -> tuple[Document, list[Segment]]:
    """What the stage makes of a recording. Whatever that is, its times are possible: no test passes otherwise."""
    work = FakeWork(options, audio=path)
    document = await run(work, engine, FakeEmit(work))
    starts = [segment.start for segment in work.written]
    assert starts == sorted(starts)
    for segment in work.written:
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= segment.start <= segment.end <= document.duration
        assert not times or (times[0], times[-1]) == (segment.start, segment.end)
    return document, work.written


def heard(engine: Engine, clips: Sequence[Samples], hints: Hints | None = None) -> Heard:
    """The answer to one request."""
    return engine.transcribe([Request(clips=clips, hints=hints or Hints())])[0]


def plain(text: str) -> list[str]:
    """Words as Whisper's paper counts them: lower-case, with a space for each punctuation mark (its appendix C)."""
    return BasicTextNormalizer()(text).split()


def errors(said: list[str], heard: list[str]) -> int:
    """Words to insert, delete or replace."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def whole(audio: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """All recordings, one behind the other: 36 s."""
    return np.concatenate([decode(audio / name).samples for name in LINES])
