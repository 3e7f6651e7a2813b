"""Insights by a language model: what is asked, what is believed, and what happens when there is no answer."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from services.insights._chat import Chat
from services.insights.engine import make_engine
from services.insights.protocol import Findings, Passage, Unanswered, Writer
from services.insights.settings import Settings
from services.insights.stage import run
from shared.errors import SettingsError
from shared.messages import Chapter, Document, Insights, InsightsFound, KeyPhrase, Mood, Segment, Sentiment, Step
from shared.settings import load
from tests.fakes.chat_server import ChatServer, Reply, chat_server
from tests.fakes.stage import FakeEmit, FakeWork

TODAY = date(2024, 5, 15)
TEXTS = ("Anna will send the report by Friday.", "Who pays for the boat?", "The boat is a disaster.")
ANSWER: dict[str, Any] = {
    "key_phrases": ["the boat", "the Report", "a submarine"],
    "questions": [{"text": "Who pays for the boat?", "segment": 2}, {"text": "Who else?", "segment": 9}],
    "action_items": [
        {"text": "Send the report", "who": "Anna", "due": "by Friday", "due_date": "2024-05-17", "segment": 1},
        {"text": "Sell the boat", "who": None, "due": "soon", "due_date": "soon", "segment": 3},
        {"text": "Invent things", "who": None, "due": None, "due_date": None, "segment": 0},
    ],
    "chapters": [{"title": "The boat", "segment": 2}, {"title": "The report", "segment": 1}],
    "sentiment": {"label": "negative", "score": -7},
}
GOOD = Reply(content=json.dumps(ANSWER), tokens=400)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        running.replies = [GOOD]
        yield running


def settings(server: ChatServer, **more: object) -> Settings:
    chosen = {"insights_engine": "llm", "llm_base_url": server.url, "llm_model": "small", "llm_api_key": "secret"}
    return Settings(**(chosen | more))  # pyright: ignore[reportArgumentType]


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(segment=number, start=number - 1, end=number, text=text, speaker="S1")
        for number, text in enumerate(texts, 1)
    ]


async def ask(server: ChatServer, *texts: str, **more: object) -> Findings:
    return await Chat(settings(server, **more)).ask(passages(*(texts or TEXTS)), today=TODAY)


async def test_an_answer_is_believed_as_far_as_the_text_bears_it_out(server: ChatServer) -> None:
    """Phrases that nobody said, segments that do not exist and dates that are none are left out; chapters cover all."""
    found = await ask(server)
    assert found.key_phrases == (KeyPhrase(text="the boat", score=1.0), KeyPhrase(text="the Report", score=0.5))
    assert [question.text for question in found.questions] == ["Who pays for the boat?"]
    assert [(item.text, item.who, item.due, item.due_date) for item in found.action_items] == [
        ("Send the report", "Anna", "by Friday", "2024-05-17"),
        ("Sell the boat", None, "soon", None),
    ]
    assert found.chapters == (
        Chapter(title="The report", segment=1, start=0, end=1),
        Chapter(title="The boat", segment=2, start=1, end=3),
    )
    assert found.sentiment == Sentiment(label="negative", score=-1.0, over_time=())


async def test_the_request_has_schema_limits_key_and_text(server: ChatServer) -> None:
    """One request: the model, a strict schema without a reference at its root, the transcript as data, the date."""
    await ask(server)
    (request,) = server.requests
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("small", 2000, 0)
    schema = request["response_format"]["json_schema"]
    assert (request["response_format"]["type"], schema["strict"]) == ("json_schema", True)
    assert schema["schema"]["type"] == "object"
    for part in (schema["schema"], *schema["schema"]["$defs"].values()):
        assert part["additionalProperties"] is False
        assert set(part["required"]) == set(part["properties"])
    system, user = request["messages"]
    assert "2024-05-15" in system["content"]
    assert [json.loads(line) for line in user["content"].splitlines()] == [
        {"segment": number, "speaker": "S1", "text": text} for number, text in enumerate(TEXTS, 1)
    ]


@pytest.mark.parametrize(
    "useless",
    [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=503),
        Reply(content="I would rather not."),
        Reply(content='{"key_phrases": []}'),
        Reply(content=json.dumps(ANSWER)[:90], finish_reason="length"),
        Reply(body=b"<html>"),
        Reply(body=b'{"choices": []}'),
        Reply(headers={"Content-Encoding": "gzip"}, body=b"not packed at all"),
        Reply(status=429, headers={"Retry-After": "\u00b2"}),
    ],
)
async def test_what_cannot_be_used_is_asked_for_again(server: ChatServer, useless: Reply) -> None:
    """A busy server, an answer outside of the schema or cut off: the next attempt counts, and the third is the last."""
    server.replies = [useless, useless, GOOD]
    assert (await ask(server)).key_phrases
    server.requests.clear()
    server.replies = [useless]
    with pytest.raises(Unanswered):
        await ask(server)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_not_repeated(server: ChatServer, status: int) -> None:
    """A wrong key or model does not get better by trying; the reason names the status."""
    server.replies = [Reply(status=status)]
    with pytest.raises(Unanswered, match=str(status)):
        await ask(server)
    assert len(server.requests) == 1


async def test_a_server_that_knows_no_schemas_is_asked_plainly(server: ChatServer) -> None:
    """When the request is refused as such, a plain one follows, with the keys in words; fences do no harm."""
    fenced = Reply(content=f"<think>{{hm}}</think>Sure:\n```json\n{json.dumps(ANSWER)}\n```")
    server.answer = lambda request: Reply(status=400) if "response_format" in request else fenced
    assert (await ask(server)).key_phrases
    assert set(server.requests[-1]) == {"model", "messages"}
    assert '"action_items"' in server.requests[-1]["messages"][0]["content"]


async def test_a_long_text_is_read_in_parts(server: ChatServer) -> None:
    """Each part has its own segments, and none is left out or asked about twice; findings are put together."""

    def answer(request: dict[str, Any]) -> Reply:
        lines = [json.loads(line) for line in request["messages"][1]["content"].splitlines()]
        first = lines[0]["segment"]
        found = {"key_phrases": [f"word {first}"], "questions": [], "action_items": []}
        chapter = {"title": f"Part {first}", "segment": first}
        feeling = {"label": "positive", "score": 0.5}
        return Reply(content=json.dumps(found | {"chapters": [chapter], "sentiment": feeling}))

    server.answer = answer
    texts = [f"Here is word {number} " + "and more " * 20 for number in range(1, 41)]
    found = await ask(server, *texts, llm_context_tokens=2000, llm_answer_tokens=200)
    told = [
        json.loads(line)["segment"] for each in server.requests for line in each["messages"][1]["content"].split("\n")
    ]
    assert told == list(range(1, 41))
    assert len(server.requests) > 1
    assert len(found.chapters) == len(found.key_phrases) == len(server.requests)
    assert (found.chapters[0].start, found.chapters[-1].end) == (0, 40)
    assert found.sentiment == Sentiment(label="positive", score=0.5, over_time=())


async def test_the_budget_is_kept(server: ChatServer) -> None:
    """A text that needs more than a task may use is not sent at all, and attempts end when the budget does."""
    with pytest.raises(Unanswered, match="tokens"):
        await ask(server, "word " * 10_000, llm_token_budget=5_000)
    assert server.requests == []
    server.replies = [Reply(status=503)]
    with pytest.raises(Unanswered, match="spent"):
        await ask(server, llm_token_budget=6_000, llm_attempts=9)
    assert len(server.requests) == 2


async def test_a_server_that_is_slow_or_gone_is_not_waited_for(server: ChatServer) -> None:
    """The deadline holds for all attempts together; where nobody listens, that is told."""
    held = threading.Event()
    server.replies = [Reply(hold=held)]
    with pytest.raises(Unanswered, match="too long"):
        await ask(server, llm_deadline_seconds=0.2)
    held.set()
    with pytest.raises(Unanswered, match="cannot be reached"):
        await ask(server, llm_base_url="http://127.0.0.1:9/v1")


class Reader:
    """Reads locally: one phrase, and the mood of each passage. `writer` is the language model."""

    languages = ("en",)

    def __init__(self, writer: Writer | None) -> None:
        self.writer = writer
        self.load = self.warm_up = lambda: None

    def describe(self) -> dict[str, Any]:
        return {}

    def read(self, passages: Sequence[Passage], *, today: date) -> Findings:
        moods = tuple(Mood(segment=each.segment, start=each.start, end=each.end, score=today.day) for each in passages)
        sentiment = Sentiment(label="neutral", score=0.0, over_time=moods)
        return Findings(key_phrases=(KeyPhrase(text="local", score=1.0),), sentiment=sentiment)


async def insights(writer: Writer | None, *, language: str = "en") -> tuple[Document, Insights]:
    segments = [
        Segment(index=number, start=number - 1, end=number, text=text, language=language)
        for number, text in enumerate(TEXTS, 1)
    ]
    work = FakeWork(batches=[segments])
    emit = FakeEmit(work)
    document = await run(work, Reader(writer), emit)
    found = emit.partial(Step.INSIGHTS_COMPLETE)
    assert isinstance(found, InsightsFound)
    assert found.insights == document.insights
    assert found.insights is not None
    return document, found.insights


async def test_what_the_model_wrote_is_marked_and_takes_the_place_of_what_was_read(server: ChatServer) -> None:
    """Source `llm`: its phrases, questions and chapters; from the worker come pace, talk time and the moods."""
    document, found = await insights(Chat(settings(server)))
    assert (found.source, document.warnings) == ("llm", ())
    assert [phrase.text for phrase in found.key_phrases] == ["the boat", "the Report"]
    assert found.sentiment is not None
    assert (found.sentiment.label, len(found.sentiment.over_time)) == ("negative", 3)
    assert len(found.chapters) == 2
    assert found.words_per_minute > 0


async def test_the_model_reads_any_language(server: ChatServer) -> None:
    """Text that the worker itself cannot read is no reason for a warning when the model has read it."""
    document, found = await insights(Chat(settings(server)), language="de")
    assert (found.source, document.warnings) == ("llm", ())
    assert found.sentiment == Sentiment(label="negative", score=-1.0, over_time=())


async def test_without_an_answer_there_are_local_insights_marked_as_such(server: ChatServer) -> None:
    """Source `local`, and a warning that says why, without address or key."""
    server.replies = [Reply(status=401)]
    document, found = await insights(Chat(settings(server)))
    assert (found.source, found.key_phrases) == ("local", (KeyPhrase(text="local", score=1.0),))
    (warning,) = document.warnings
    assert warning.code == "insights_local"
    assert "401" in warning.message
    assert "127.0.0.1" not in warning.message
    assert (await insights(None))[1].source == "local"


@pytest.mark.parametrize(
    ("variable", "chosen"),
    [
        ("LLM_BASE_URL", {"LLM_MODEL": "small"}),
        ("LLM_BASE_URL", {"LLM_MODEL": "small", "LLM_BASE_URL": "ftp://models"}),
        ("LLM_BASE_URL", {"LLM_MODEL": "small", "LLM_BASE_URL": "http://"}),
        ("LLM_BASE_URL", {"LLM_MODEL": "small", "LLM_BASE_URL": "http://models:port/v1"}),
        ("LLM_BASE_URL", {"LLM_MODEL": "small", "LLM_BASE_URL": "http://models:99999/v1"}),
        ("LLM_API_KEY", {"LLM_MODEL": "small", "LLM_BASE_URL": "http://models/v1", "LLM_API_KEY": "schl\u00fcssel"}),
        ("LLM_MODEL", {"LLM_BASE_URL": "http://models/v1"}),
        ("LLM_ANSWER_TOKENS", {"LLM_ANSWER_TOKENS": "5000"}),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(variable: str, chosen: dict[str, str]) -> None:
    """The variable at fault is named."""
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        make_engine(load(Settings, {"INSIGHTS_ENGINE": "llm"} | chosen))


def test_capabilities_name_the_model_and_not_the_key(server: ChatServer) -> None:
    """What `/audio/capabilities` shows when a language model reads the text."""
    about = make_engine(settings(server)).describe()
    assert (about["engine"], about["model"], about["languages"]) == ("llm", "small", [])
    assert "secret" not in str(about)
