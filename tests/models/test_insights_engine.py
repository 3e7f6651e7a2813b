"""The embedded insights engine, with its real model and word lists."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.insights._grammar import GrammarEngine
from services.insights.engine import make_engine
from services.insights.protocol import Engine, Findings, Passage
from services.insights.settings import Settings
from shared.errors import ModelMissing
from shared.messages import ActionItem

pytestmark = pytest.mark.timeout(300)  # loading takes a minute where others compute beside us

WEDNESDAY = date(2024, 5, 15)


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = make_engine(Settings())
    try:
        engine.load()
    except ModelMissing as missing:
        pytest.skip(str(missing))
    return engine


def read(engine: Engine, *texts: str, speaker: str | None = None) -> Findings:
    passages = [
        Passage(segment=number, start=number - 1, end=number, text=text, speaker=speaker)
        for number, text in enumerate(texts, 1)
    ]
    return engine.read(passages, today=WEDNESDAY)


@pytest.mark.parametrize(
    ("text", "who", "due", "due_date"),
    [
        ("Anna will send the report by Friday.", "Anna", "by Friday", "2024-05-17"),
        ("I think Anna will write the minutes.", "Anna", None, None),
        ("Please send the blue folder before lunch.", "you", "before lunch", None),
        ("John, please check the numbers.", "John", None, None),
        ("We need to book a room.", "we", None, None),
        ("Let's schedule a call for tomorrow at 3 pm.", "we", "for tomorrow at 3 pm", "2024-05-16"),
        ("Can you ask the suppliers about the new prices?", "you", None, None),
        ("Ben, could you prepare the slides by the end of the week?", "Ben", "by the end of the week", "2024-05-17"),
        ("I need you to sign the contract today.", "you", "today", "2024-05-15"),
        ("I'm gonna fix the printer tomorrow.", "I", "tomorrow", "2024-05-16"),
        ("Don't forget to water the plants.", "you", None, None),
        ("Maria Lopez and Tom should review the budget.", "Maria Lopez and Tom", None, None),
        ("The sales team will call all customers on 3 June.", "The sales team", "on 3 June", "2024-06-03"),
        ("We have to finish the tests within two weeks.", "we", "within two weeks", "2024-05-29"),
        ("Send the report to Anna by Friday.", "you", "by Friday", "2024-05-17"),
    ],
)
def test_action_items_say_who_and_when(
    engine: Engine, text: str, who: str, due: str | None, due_date: str | None
) -> None:
    """Promises, duties, proposals, requests and orders, said on a Wednesday."""
    expected = ActionItem(text=text, who=who, due=due, due_date=due_date, segment=1)
    assert read(engine, text).action_items == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "It will rain tomorrow.",
        "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
        "Revenue will grow by ten percent in 2025.",
        "You will see that it works.",
        "Can you hear me?",
        "If Anna will help us, it works.",
        "We don't need to hurry.",
        "I will not send the report tomorrow.",
        "Anna won't write the minutes.",
        "Anna sent the report on Friday.",
        "We needed to book a room.",
        "Let's look at the numbers.",
        "Will it be finished by Monday?",
        "Have a nice day.",
        "And Mister John Dashwood had then leisure to consider how much there might be prudently in his power to do.",
    ],
)
def test_not_every_will_is_a_promise(engine: Engine, text: str) -> None:
    """Weather, forecasts, conditions, the past, courtesies and questions about the state of things are no tasks."""
    assert read(engine, text).action_items == ()


def test_two_tasks_in_one_sentence_are_two_items(engine: Engine) -> None:
    """Each has its own words, person and date."""
    items = read(engine, "Anna will call the client and Ben is going to book the hotel next Monday.").action_items
    assert [(item.text, item.who, item.due_date) for item in items] == [
        ("Anna will call the client", "Anna", None),
        ("Ben is going to book the hotel next Monday.", "Ben", "2024-05-20"),
    ]


def test_i_is_the_speaker_where_speakers_are_told_apart(engine: Engine) -> None:
    """With a speaker label, 'I' is resolved to it."""
    (item,) = read(engine, "I'll take care of the invoice.", speaker="SPEAKER_01").action_items
    assert item.who == "SPEAKER_01"


@pytest.mark.parametrize(
    "text",
    [
        "Is that so?",
        "what is the status of the project",
        "do we have a budget for this",
        "Which report do you need",
        "Who is responsible for this",
        "so can you send it to me",
    ],
)
def test_questions_are_known_with_and_without_their_mark(engine: Engine, text: str) -> None:
    """A recogniser does not set every question mark; the order of words tells as well."""
    assert [question.text for question in read(engine, text).questions] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "What a nice day.",
        "What we need is a plan.",
        "How nice it is.",
        "When Anna comes, we start.",
        "I wonder who did it.",
        "Had he married a more amiable woman he might have been made still more respectable.",
        "Have a seat, please.",
        "?",
    ],
)
def test_exclamations_and_subordinate_clauses_are_no_questions(engine: Engine, text: str) -> None:
    """An interrogative word alone asks nothing."""
    assert read(engine, text).questions == ()


def test_key_phrases_are_what_the_talk_is_about(engine: Engine) -> None:
    """Repeated noun phrases come first, without articles; parts of them, pronouns and dates do not come."""
    phrases = read(
        engine,
        "Let us look at the sales report for the third quarter.",
        "The sales report shows that the Rotterdam warehouse is expensive.",
        "On Friday we decide about the report, and about the marketing budget.",
    ).key_phrases
    texts = [phrase.text for phrase in phrases]
    assert (texts[0], phrases[0].score) == ("sales report", 1.0)
    assert {"Rotterdam warehouse", "marketing budget"} <= set(texts)
    assert not {"report", "sales", "Friday", "it", "we", "us"} & set(texts)


def test_a_mask_is_no_key_phrase(engine: Engine) -> None:
    """Of a redacted text only what is left in it counts."""
    found = read(engine, "[PERSON] will send the report to [LOCATION].", "Call [PHONE] or [REDACTED].").key_phrases
    assert [phrase.text for phrase in found] == ["report"]


def test_sentiment_goes_up_and_down(engine: Engine) -> None:
    """Praise is above zero, complaint below, at its place in time."""
    found = read(
        engine, "This is a great success!", "The train leaves at nine.", "I hate this terrible mess."
    ).sentiment
    assert found is not None
    assert [(mood.score > 0) - (mood.score < 0) for mood in found.over_time] == [1, 0, -1]
    assert [(mood.segment, mood.start, mood.end) for mood in found.over_time] == [(1, 0, 1), (2, 1, 2), (3, 2, 3)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=200)
    | st.lists(
        st.sampled_from(["Anna", "will", "who", "by", "Friday", ",", "?", ".", "let", "'s", "not", "please", "to"])
    ).map(" ".join)
)
def test_any_text_is_read_without_an_error(engine: Engine, text: str) -> None:
    """Findings quote the text, whatever it is."""
    found = read(engine, text)
    for quoted in (*found.questions, *found.action_items):
        assert quoted.text in text


def test_what_was_read_is_not_kept(engine: Engine) -> None:
    """A worker that reads new words day after day does not grow: the model learns none of them."""
    assert isinstance(engine, GrammarEngine)
    model: Any = engine._model  # pyright: ignore[reportPrivateUsage]
    read(engine, "The report is good.")
    known = len(model.vocab.strings)
    for number in range(20):
        read(engine, *(f"Word{number}x{place} will send the thing{number}x{place} to me." for place in range(20)))
    assert len(model.vocab.strings) == known


def test_overlong_words_do_not_stop_the_engine(engine: Engine) -> None:
    """100,000 signs without a blank are skipped, and what stands beside them is read."""
    findings = read(engine, "=" * 100_000, f"{'=' * 5000} Anna will call the client.")
    assert [item.who for item in findings.action_items] == ["Anna"]


HOUSE = (
    "The roof of the house leaks.",
    "The house needs new windows.",
    "Bricks for the roof of the house are expensive.",
)
DOG = ("The dog barked at the postman.", "A veterinary looked at the dog and its leg.", "The dog likes the veterinary.")


def test_chapters_begin_where_the_subject_changes(engine: Engine) -> None:
    """Two subjects of two minutes each are two chapters, named after them, without a gap from beginning to end."""
    texts = [*HOUSE * 4, *DOG * 4]
    passages = [
        Passage(segment=number + 1, start=10 * number, end=10 * number + 9, text=text)
        for number, text in enumerate(texts)
    ]
    first, second = engine.read(passages, today=WEDNESDAY).chapters
    assert (first.segment, first.start, first.end) == (1, 0, 120)
    assert (second.segment, second.start, second.end) == (13, 120, 239)
    assert {"roof", "house", "window"} & set(first.title.lower().split())
    assert {"dog", "veterinary", "postman"} & set(second.title.lower().split())


def test_a_short_talk_is_one_chapter(engine: Engine) -> None:
    """It has a title, and nothing is cut in pieces that nobody would look for; without text there is none."""
    (chapter,) = read(engine, *HOUSE).chapters
    assert (chapter.segment, chapter.start, chapter.end) == (1, 0, 3)
    assert chapter.title
    assert engine.read([], today=WEDNESDAY).chapters == ()
