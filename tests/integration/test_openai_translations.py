"""Any language to English with the official `openai` package: by the translate stage or by the recogniser."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai import AsyncOpenAI

from services.gateway.settings import Settings
from shared import presence, tasks
from shared.messages import Document, Segment, StageName, Step, Transcript
from shared.redis import Redis
from shared.settings import BaseSettings
from shared.stage import Emit, Work
from tests.conftest import wait_until
from tests.fakes.form import wav
from tests.fakes.gateway import serving
from tests.fakes.openai_client import openai_of
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import working

SOUND = ("fala.wav", wav())

# The package calls translations deprecated; OpenAI's API, and its users, still have them.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

FROM_PORTUGUESE = {"offers": [{"sources": ["en", "pt"], "targets": ["en", "pt"]}]}


async def _speak(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """One sentence in the language of the engine. A recogniser that knows how to translates it where it is asked to."""
    language = engine.describe()["speaks"]
    left = work.options.english_unless
    english = "Sentence 1." if left is not None and language not in left and engine.describe()["translates"] else None
    segment = Segment(index=1, start=0.0, end=1.0, text=english or "Frase 1.", translation=english, language=language)
    await emit.segments([segment], done=1.0)
    emit.step(
        Step.TRANSCRIPTION_COMPLETE,
        Transcript(transcript=segment.text, language=language, duration=1.0, segments=(segment,)),
    )
    return Document(segments=1, duration=1.0, language=language, coverage=1.0)


async def _translate(work: Work, _: FakeEngine, emit: Emit) -> Document:
    """Knows one sentence."""
    async for batch in work.batches():
        await emit.segments(
            [msgspec.structs.replace(segment, translation=segment.translation or "Phrase 1.") for segment in batch]
        )
    return await work.document()


SPEAK = msgspec.structs.replace(STAGES[StageName.ASR], run=_speak)
TRANSLATE = msgspec.structs.replace(STAGES[StageName.TRANSLATE], run=_translate)


def speaker(language: str, *, translates: bool = True) -> FakeEngine:
    """A recogniser who hears this language in everything."""
    return FakeEngine(about={"speaks": language, "translates": translates})


@pytest.fixture
async def client(gateway_settings: Settings) -> AsyncIterator[AsyncOpenAI]:
    async with serving(gateway_settings) as server, openai_of(server) as client:
        yield client


async def offer(client: AsyncOpenAI, redis: Redis) -> None:
    """Let the gateway know of a translator from Portuguese."""
    await presence.announce(redis, StageName.TRANSLATE, "w", FROM_PORTUGUESE)
    base_url = str(client.base_url).removesuffix("v1/")

    async def known() -> bool:
        async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
            return bool((await http.get("/audio/capabilities")).json()["pairs"])

    await wait_until(known, description="the gateway knows the translator")


def creating(client: AsyncOpenAI) -> Any:
    """The package's call."""
    resource: Any = client.audio.translations
    return resource.create


async def route_of_newest(redis: Redis) -> tuple[StageName, ...]:
    return (await tasks.newest(redis, "", count=1)).tasks[0].route


async def test_a_pair_that_is_there_is_used(client: AsyncOpenAI, settings: BaseSettings, redis: Redis) -> None:
    """Portuguese goes through the translate stage, whether or not the language is named; in each format the text is
    English and says so."""
    await offer(client, redis)
    create = creating(client)
    async with working(SPEAK, speaker("pt"), settings), working(TRANSLATE, FakeEngine(about=FROM_PORTUGUESE), settings):
        assert (await create(file=SOUND, model="whisper-1")).text == "Phrase 1."
        assert await route_of_newest(redis) == (StageName.ASR, StageName.TRANSLATE)
        named = await create(file=SOUND, model="whisper-1", extra_body={"language": "pt"})
        assert named.text == "Phrase 1."
        verbose = await create(file=SOUND, model="whisper-1", response_format="verbose_json")
        assert (verbose.text, verbose.language, verbose.duration) == ("Phrase 1.", "english", 1.0)
        assert [segment.text.strip() for segment in verbose.segments] == ["Phrase 1."]
        assert await create(file=SOUND, model="whisper-1", response_format="text") == "Phrase 1.\n"
        assert "Phrase 1." in await create(file=SOUND, model="whisper-1", response_format="srt")
        assert "Phrase 1." in await create(file=SOUND, model="whisper-1", response_format="vtt")
    assert len((await tasks.newest(redis, "", count=10)).tasks) == 2


@pytest.mark.parametrize("named", [{}, {"language": "fi"}])
async def test_other_languages_are_the_recognisers(
    client: AsyncOpenAI, settings: BaseSettings, redis: Redis, named: dict[str, str]
) -> None:
    """Where there is a pair from another language only, and where there is none at all."""
    async with working(SPEAK, speaker("fi"), settings):
        answer = await creating(client)(file=SOUND, model="whisper-1", extra_body=named)
        assert answer.text == "Sentence 1."
        assert await route_of_newest(redis) == (StageName.ASR,)
        await offer(client, redis)
        async with working(TRANSLATE, FakeEngine(about=FROM_PORTUGUESE), settings):
            sound = ("outra.wav", wav(1.5))
            answer = await creating(client)(file=sound, model="whisper-1", extra_body=named)
            assert answer.text == "Sentence 1."


async def test_english_stays_as_it_is(client: AsyncOpenAI, settings: BaseSettings) -> None:
    """Nothing is translated from English to English."""
    async with working(STAGES[StageName.ASR], FakeEngine(segments=2), settings):
        answer = await creating(client)(file=SOUND, model="whisper-1")
    assert answer.text == "Sentence 1. Sentence 2."


async def test_what_nobody_translates_is_an_error(client: AsyncOpenAI, settings: BaseSettings) -> None:
    """Never another language in the place of English."""
    async with working(SPEAK, speaker("fi", translates=False), settings):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            await creating(client)(file=SOUND, model="whisper-1")
    assert caught.value.code == "unsupported_pair"
    with pytest.raises(openai.BadRequestError) as caught_too:
        await creating(client)(file=SOUND, model="whisper-1", response_format="diarized_json")
    assert caught_too.value.param == "response_format"
