"""What the gateway tells of the workers, and what it refuses because none of them offers it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from av.format import ContainerFormat

from services.gateway import fleet
from services.gateway.capabilities import CODECS
from services.gateway.settings import Settings
from shared import presence
from shared.audio import FORMATS
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import RedisServer, wait_until
from tests.fakes.form import form, part, wav
from tests.fakes.gateway import served
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import working

FORM = {"Content-Type": "multipart/form-data; boundary=X"}
FILE = part("audio", wav(), disposition='; filename="a.wav"')
ENGLISH = {"engine": "e", "model": "m", "offers": [{"sources": ["en", "pt"], "targets": ["en", "pt"]}]}
GERMAN = {"engine": "e", "model": "n", "offers": [{"sources": ["de"], "targets": ["en"]}]}


@pytest.fixture
def gateway_settings(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")


@pytest.fixture
async def client(gateway_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that looks at its workers at each request."""
    monkeypatch.setattr(fleet, "_FRESH_SECONDS", 0.0)
    async with served(gateway_settings) as client:
        yield client


async def ask(client: httpx.AsyncClient) -> Any:
    answer = await client.get("/audio/capabilities")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def submit(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    body = form(FILE, *(part(name, text.encode()) for name, text in fields.items()))
    return await client.post("/audio/tasks", content=body, headers=FORM)


async def refused(client: httpx.AsyncClient, **fields: str) -> tuple[str, str, list[str]]:
    """Code, field and offer of the refusal of these fields."""
    answer = await submit(client, **fields)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert all(word in problem["detail"] for offer in problem["offered"] for word in offer.split("-"))
    return problem["code"], problem["field"], problem["offered"]


async def test_nobody_is_there(client: httpx.AsyncClient) -> None:
    """Without workers each stage has an empty list, and the limits and formats are told all the same."""
    told = await ask(client)
    assert told["ready"] is False
    assert told["stages"] == {"asr": [], "translate": [], "nlp": [], "insights": []}
    assert (told["languages"], told["pairs"]) == ([], [])
    assert told["limits"]["upload_bytes"] == 2 << 30
    assert {"wav", "mp3", "m4a", "ogg", "webm"} <= set(told["formats"]["containers"])
    assert told["formats"]["results"] == ["json", "txt", "srt", "vtt", "tsv"]


async def test_workers_that_are_alike_are_one_entry(client: httpx.AsyncClient, redis: Redis) -> None:
    """Per kind: how many, and how many tasks they take; what an answer names does not depend on their order."""
    for worker_id, about in (("a", ENGLISH), ("b", GERMAN), ("c", ENGLISH)):
        await presence.announce(redis, StageName.TRANSLATE, worker_id, about | {"concurrency": 8})
    told = await ask(client)
    kinds = {kind["model"]: (kind["workers"], kind["concurrency"]) for kind in told["stages"]["translate"]}
    assert kinds == {"m": (2, 16), "n": (1, 8)}
    assert told["pairs"] == [
        {"source": "de", "target": "en"},
        {"source": "en", "target": "pt"},
        {"source": "pt", "target": "en"},
    ]


async def test_real_workers_are_seen(client: httpx.AsyncClient, settings: BaseSettings) -> None:
    """A worker of each stage makes the mesh ready; what their engines describe is told by name."""
    about: Mapping[StageName, Mapping[str, Any]] = {
        StageName.ASR: {"model": "base", "languages": ["en", "pt"], "follows": ["hotwords", "word_timestamps"]},
        StageName.TRANSLATE: ENGLISH,
        StageName.NLP: {"entities": {"engine": "e", "labels": ["person"], "languages": ["en"]}},
    }
    async with (
        working(STAGES[StageName.ASR], FakeEngine(about=about[StageName.ASR]), settings),
        working(STAGES[StageName.TRANSLATE], FakeEngine(about=about[StageName.TRANSLATE]), settings),
        working(STAGES[StageName.NLP], FakeEngine(about=about[StageName.NLP]), settings),
    ):

        async def has(count: int) -> bool:
            return sum(bool(kinds) for kinds in (await ask(client))["stages"].values()) == count

        await wait_until(lambda: has(3), description="three stages are seen")
        assert (await ask(client))["ready"] is False
        async with working(STAGES[StageName.INSIGHTS], FakeEngine(), settings):
            await wait_until(lambda: has(4), description="all stages are seen")
            told = await ask(client)
    assert told["ready"] is True
    assert told["languages"] == ["en", "pt"]
    assert told["stages"]["nlp"][0]["entities"]["labels"] == ["person"]
    assert told["features"] == {
        "initial_prompt": False,
        "hotwords": True,
        "word_timestamps": True,
        "diarize": False,
        "channels": False,
    }


async def test_t07_a_pair_that_nobody_offers_is_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    """By name or by its target alone, wherever the options stand in the form, with what there is instead."""
    await presence.announce(redis, StageName.TRANSLATE, "a", ENGLISH)
    offered = ["en-pt", "pt-en"]
    pair = {"include_translation": "true", "target_language": "pt"}
    assert await refused(client, language="fr", **pair) == ("unsupported_pair", "target_language", offered)
    unknown = {"include_translation": "true", "target_language": "ja"}
    assert await refused(client, **unknown) == ("unsupported_pair", "target_language", offered)
    assert await refused(client, target_language="ja") == ("unsupported_pair", "target_language", offered)
    body = form(part("language", b"fr"), part("include_translation", b"yes"), FILE)
    assert (await client.post("/audio/tasks", content=body, headers=FORM)).json()["code"] == "unsupported_pair"


@pytest.mark.parametrize(
    "fields",
    [
        {"language": "en", "include_translation": "true", "target_language": "pt-BR"},
        {"include_translation": "true", "target_language": "pt"},
        {"language": "fr", "include_translation": "true", "target_language": "fr"},
        {"language": "fr", "include_translation": "false"},
        {"language": "fr", "target_language": ""},
    ],
)
async def test_what_can_be_done_is_taken(client: httpx.AsyncClient, redis: Redis, fields: dict[str, str]) -> None:
    """A pair that is offered, a text that is in the target language, and languages of a translation not asked for."""
    await presence.announce(redis, StageName.TRANSLATE, "a", ENGLISH)
    assert (await submit(client, **fields)).status_code == 202


async def test_a_language_that_nobody_understands_is_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    """With the languages that there are."""
    await presence.announce(redis, StageName.ASR, "a", {"languages": ["en", "pt"]})
    assert await refused(client, language="Finnish") == ("unsupported_language", "language", ["en", "pt"])
    assert (await submit(client, language="Portuguese")).status_code == 202


async def test_a_stage_at_zero_is_remembered(client: httpx.AsyncClient, redis: Redis) -> None:
    """When the last translator has gone, what it could do still counts; a live one counts alone."""
    fields = {"language": "de", "include_translation": "true", "target_language": "pt"}
    assert (await submit(client, **fields)).status_code == 202, "nothing is known: the task waits"
    await presence.announce(redis, StageName.TRANSLATE, "a", GERMAN)
    await presence.withdraw(redis, StageName.TRANSLATE, "a")
    assert (await ask(client))["stages"]["translate"] == []
    assert await refused(client, **fields) == ("unsupported_pair", "target_language", ["de-en"])
    await presence.announce(redis, StageName.TRANSLATE, "b", ENGLISH)
    assert await refused(client, **fields) == ("unsupported_pair", "target_language", ["en-pt", "pt-en"])


@pytest.mark.parametrize("about", [{}, {"offers": "all of them"}])
async def test_who_does_not_say_may_do_all(client: httpx.AsyncClient, redis: Redis, about: dict[str, Any]) -> None:
    """Beside a worker that tells no pairs, or in a way that is not understood, nothing is refused."""
    await presence.announce(redis, StageName.TRANSLATE, "a", ENGLISH)
    await presence.announce(redis, StageName.TRANSLATE, "b", about)
    assert (await submit(client, language="fr", include_translation="true")).status_code == 202
    assert (await ask(client))["pairs"] == []


async def test_one_look_serves_many(gateway_settings: Settings, redis: Redis) -> None:
    """Within a second, a crowd of requests costs Redis one look at the workers."""
    async with served(gateway_settings) as client:
        await ask(client)
        before = (await redis.info("commandstats"))["cmdstat_zrange"]["calls"]
        for _ in range(20):
            await ask(client)
        after = (await redis.info("commandstats"))["cmdstat_zrange"]["calls"]
    assert after - before <= 10, "a look takes five reads, and twenty answers take less than two seconds"


async def test_without_redis_nothing_is_known(
    tmp_path: Path, durable_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis is away the answer is 503 with a time to come back, not what was known before."""
    settings = Settings(redis_url=durable_server.url, blob_url=f"file://{tmp_path}", spool_dir=tmp_path / "spool")
    async with served(settings) as client:
        await ask(client)
        durable_server.stop()
        monkeypatch.setattr(fleet, "_FRESH_SECONDS", 0.0)
        answer = await client.get("/audio/capabilities")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]


def test_formats_are_those_of_the_decoder() -> None:
    """Each container and codec that is told is one that FFmpeg reads here."""
    assert all(ContainerFormat(name, "r").is_input for name in FORMATS.split(","))
    assert all(av.Codec(name, "r").type == "audio" for name in CODECS)


async def test_pairs_that_go_through_a_third_language_are_marked(client: httpx.AsyncClient, redis: Redis) -> None:
    """Groups of languages are told pair by pair; where a model knows the pair, it goes through none."""
    direct = {
        "offers": [{"sources": ["de"], "targets": ["en"]}, {"sources": ["de", "fr"], "targets": ["fr"], "via": "en"}]
    }
    await presence.announce(redis, StageName.TRANSLATE, "a", direct)
    assert (await ask(client))["pairs"] == [
        {"source": "de", "target": "en"},
        {"source": "de", "target": "fr", "via": "en"},
    ]
    assert (await submit(client, language="de", include_translation="true", target_language="fr")).status_code == 202
    asked = {"language": "en", "include_translation": "true", "target_language": "fr"}
    assert await refused(client, **asked) == ("unsupported_pair", "target_language", ["de-en", "de-fr"])
