"""A text through a real mesh with the embedded models, over HTTP."""

import httpx
import pytest

from shared import codec
from shared.messages import Result
from tests.fakes.gateway import frames

pytestmark = pytest.mark.timeout(300)  # loading takes a minute where others compute beside us

LETTER = """Good morning,

Emma Miller met David Brown of Siemens in Berlin. They signed a contract for two million dollars!\r
Please send the report to Maria by Friday."""


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
