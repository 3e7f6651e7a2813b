"""Models that several modules of tests use, loaded once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

import services.asr.protocol
import services.insights.engine
import services.insights.settings
import services.nlp.engine
import services.nlp.settings
import services.translate.engine
import services.translate.settings
from services.asr.engine import make_engine
from services.asr.stage import STAGE as ASR
from services.gateway.settings import Settings
from services.insights.stage import STAGE as INSIGHTS
from services.nlp.stage import STAGE as NLP
from services.translate.stage import STAGE as TRANSLATE
from shared.errors import ModelMissing
from shared.settings import BaseSettings
from shared.stage import Engine, Stage
from tests.fakes.gateway import served
from tests.mesh import working
from tests.models.hearing import AUDIO, asr_settings


@pytest.fixture(scope="session")
def whisper() -> services.asr.protocol.Engine:
    """Whisper base."""
    recogniser = make_engine(asr_settings())
    recogniser.load()
    recogniser.warm_up()
    return recogniser


@pytest.fixture(scope="session")
def engines(whisper: services.asr.protocol.Engine) -> list[tuple[Stage, Engine]]:
    """The engines of all stages, loaded."""
    made: list[tuple[Stage, Engine]] = [
        (TRANSLATE, services.translate.engine.make_engine(services.translate.settings.Settings())),
        (NLP, services.nlp.engine.make_engine(services.nlp.settings.Settings())),
        (INSIGHTS, services.insights.engine.make_engine(services.insights.settings.Settings())),
    ]
    try:
        for _, engine in made:
            engine.load()
    except ModelMissing as missing:
        pytest.skip(str(missing))
    return [(ASR, whisper), *made]


@pytest.fixture
async def client(
    engines: list[tuple[Stage, Engine]], settings: BaseSettings, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a whole mesh with those engines."""
    gateway = Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    async with AsyncExitStack() as mesh:
        for stage, engine in engines:
            await mesh.enter_async_context(working(stage, engine, settings))
        yield await mesh.enter_async_context(served(gateway))


@pytest.fixture
def audio() -> Path:
    """The folder with the recordings."""
    if not AUDIO.is_dir():
        pytest.skip(f"no recordings in {AUDIO}: set VOXMESH_AUDIO to a folder with jfk.flac and the LibriVox lines")
    return AUDIO
