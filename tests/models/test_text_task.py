"""A text through a real mesh with the embedded models, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

import services.insights.engine
import services.insights.settings
import services.nlp.engine
import services.nlp.settings
import services.translate.engine
import services.translate.settings
from services.gateway.settings import Settings
from services.insights.stage import STAGE as INSIGHTS
from services.nlp.stage import STAGE as NLP
from services.translate.stage import STAGE as TRANSLATE
from shared import codec
from shared.errors import ModelMissing
from shared.messages import Result
from shared.settings import BaseSettings
from shared.stage import Engine, Stage
from tests.fakes.gateway import frames, served
from tests.mesh import working

pytestmark = pytest.mark.timeout(300)  # loading takes a minute where others compute beside us

LETTER = """Good morning,

Emma Miller met David Brown of Siemens in Berlin. They signed a contract for two million dollars!\r
Please send the report to Maria by Friday."""


@pytest.fixture(scope="module")
def engines() -> list[tuple[Stage, Engine]]:
    """The engines of all stages behind asr, loaded."""
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
    return made


@pytest.fixture
async def client(
    engines: list[tuple[Stage, Engine]], settings: BaseSettings, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    gateway = Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")
    async with AsyncExitStack() as mesh:
        for stage, engine in engines:
            await mesh.enter_async_context(working(stage, engine, settings))
        yield await mesh.enter_async_context(served(gateway))


async def processed(client: httpx.AsyncClient, text: str) -> Result:
    """The result of a text whose language nobody names, with everything that can be asked for."""
    fields = {"text": text, "include_translation": "true", "include_insights": "true"}
    form = {name: (None, value.encode()) for name, value in fields.items()}
    async with client.stream("POST", "/text/process-stream-realtime", files=form, timeout=120) as response:
        assert response.status_code == 200, await response.aread()
        *_, (_, last) = [frame async for frame in frames(response)]
    event = codec.decode_event(last)
    assert event.step == "completed", event
    return codec.decode_result(event.partial_result)


async def test_an_english_letter(client: httpx.AsyncClient) -> None:
    """Its language is found, it is translated sentence by sentence, entities lie where they say, and what has to do
    with time is empty."""
    result = await processed(client, LETTER)
    assert (result.language, result.duration, result.no_speech, result.warnings) == ("en", 0.0, False, ())
    assert [segment.text for segment in result.segments] == [
        "Good morning,",
        "Emma Miller met David Brown of Siemens in Berlin.",
        "They signed a contract for two million dollars!",
        "Please send the report to Maria by Friday.",
    ]
    assert result.transcript == LETTER
    assert result.translation is not None
    assert result.translation.startswith("Bom dia,\n\n")
    assert "!\r\n" in result.translation
    assert all(word in result.translation for word in ("Bom dia", "Berlim", "contrato", "relatório", "sexta-feira"))
    texts = {segment.index: segment.text for segment in result.segments}
    assert all(texts[found.segment][found.start : found.end] == found.text for found in result.entities)
    names = {(found.text, found.label) for found in result.entities}
    assert {("Emma Miller", "person"), ("Siemens", "organization"), ("Berlin", "location")} <= names
    assert result.insights is not None
    assert (result.insights.words_per_minute, result.insights.talk_time) == (0.0, ())
    assert [action.segment for action in result.insights.action_items] == [4]


async def test_a_portuguese_letter_without_a_translation_to_english(client: httpx.AsyncClient) -> None:
    """What is in the target language already stands as it is, and who cannot read it says so."""
    text = "Bom dia a todos. A reunião começa na segunda-feira em Lisboa."
    result = await processed(client, text)
    assert (result.language, result.transcript, result.translation) == ("pt", text, text)
    assert {"same_language", "entities_language"} <= {warning.code for warning in result.warnings}
