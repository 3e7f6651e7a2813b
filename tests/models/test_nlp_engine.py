"""The embedded nlp engine, with its real models."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.nlp._memory import Memory
from services.nlp._parts import NlpEngine
from services.nlp._spacy import WINDOW
from services.nlp.engine import make_engine
from services.nlp.protocol import Engine
from services.nlp.settings import Settings
from shared.errors import ModelMissing
from tests.fakes import asking

pytestmark = pytest.mark.timeout(300)  # loading takes a minute where others compute beside us

NEWS = (
    "Maria Lopez joined Siemens in Berlin on 3 March 2024.",
    "Microsoft will pay $5 million for the rights.",
)
MEETING = [
    "Good morning everyone, let us look at the numbers of the third quarter.",
    "Revenue grew by ten percent, mostly in Spain.",
    "The coffee machine in the kitchen is broken again.",
    "Costs for the new warehouse in Rotterdam were higher than planned.",
    "Revenue in Portugal grew as well, by eight percent.",
    "We have to lower the marketing budget by the end of the year.",
    "The warehouse costs are a matter of the rent and the energy prices.",
    "Anna will send the sales report to the board by Friday.",
    "The board decides in December whether the warehouse is sold.",
    "Thank you all for coming.",
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = make_engine(Settings())
    try:
        engine.load()
    except ModelMissing as missing:
        pytest.skip(str(missing))
    return engine


def named(engine: Engine, *texts: str, labels: tuple[str, ...] = ()) -> list[list[tuple[str, str]]]:
    found = asking.entities(engine, texts, labels or engine.default_entity_labels)
    return [
        [(text[entity.start : entity.end], entity.label) for entity in of_text]
        for text, of_text in zip(texts, found, strict=True)
    ]


def test_people_companies_places_dates_and_money_are_found(engine: Engine) -> None:
    """The plain kinds of entity of two news sentences, each by its own text."""
    first, second = named(engine, *NEWS)
    assert first == [
        ("Maria Lopez", "person"),
        ("Siemens", "organization"),
        ("Berlin", "location"),
        ("3 March 2024", "date"),
    ]
    assert ("Microsoft", "organization") in second
    assert "money" in [label for _, label in second]


def test_only_the_kinds_asked_for_are_found_under_the_name_asked_for(engine: Engine) -> None:
    """A label in any case and spelling gives what it means, and nothing else."""
    assert named(engine, NEWS[0], labels=("ORGANISATION",)) == [[("Siemens", "ORGANISATION")]]


def test_a_text_without_names_and_an_empty_one_have_no_entities(engine: Engine) -> None:
    """Nothing is made up."""
    assert named(engine, "It rained, and nobody came.", "", " \n ") == [[], [], []]


def test_a_name_is_found_once_wherever_a_long_text_is_cut(engine: Engine) -> None:
    """Text longer than what is read at once has each name once, whole, at its place; here it lies across the cut."""
    filler = "It rained, and nobody came to see the show. "
    for before in (3, 6, 9):
        start = WINDOW - before
        opening = filler * (start // len(filler))
        text = "x" * (start - len(opening) - 1) + " " + opening + "Maria Lopez went home. " + filler * 226
        found = asking.entities(engine, [text + "Maria Lopez sang."], ["person"])[0]
        assert [entity.start for entity in found] == [start, len(text)]
        assert {entity.end - entity.start for entity in found} == {len("Maria Lopez")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=300)
    | st.lists(st.sampled_from([*" \n\t.,'’\u00a0\u200b", "Maria", "Berlin", "$5", "👩‍🚀", "é"])).map("".join)
)
@example(text=" Maria Lopez \n from\u00a0Berlin ")
@example(text="😀 Maria Lopez 😀😀 paid €5 in Zürich.")
@example(text="=" * 100_000)
def test_offsets_are_exact_in_any_text(engine: Engine, text: str) -> None:
    """Entities lie inside the text, one behind the other, and neither begin nor end with a blank."""
    (found,) = asking.entities(engine, [text], engine.entity_labels)
    end = 0
    for entity in found:
        assert end <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == text[entity.start : entity.end].strip()
        end = entity.end


@pytest.mark.parametrize(
    ("label", "texts"),
    [
        ("business", MEETING),
        ("sports", ["The striker scored twice.", "They will play the quarter final in Madrid on Sunday."]),
        ("health", ["The patient complains about chest pain.", "We prescribed a beta blocker and took a blood test."]),
        ("food", ["Heat the oil in a pan and add the onions.", "Serve with rice and fresh basil."]),
        ("politics", ["The prime minister announced early elections.", "Parliament is dissolved on Monday."]),
    ],
)
def test_the_right_topic_comes_first(engine: Engine, label: str, texts: list[str]) -> None:
    """Texts about one thing are classified as such; scores fall from there and lie between 0 and 1."""
    topics = asking.topics(engine, texts, engine.default_topics)
    assert topics[0].label == label
    scores = [topic.score for topic in topics]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * scores[len(scores) // 2]
    assert all(0 <= score <= 1 for score in scores)


def test_topics_need_no_choice(engine: Engine) -> None:
    """One label gets its score; text without a word has no topics."""
    assert len(asking.topics(engine, MEETING, ["finance, and what goes with it"])) == 1
    assert asking.topics(engine, ["..."], engine.default_topics) == []


def test_the_summary_quotes_whole_sentences_in_order_from_all_parts(engine: Engine) -> None:
    """A text is represented by a few of its sentences, told in its order."""
    text = " ".join(MEETING * 2)
    summary = asking.summary(engine, MEETING * 2)
    assert summary is not None
    assert len(summary) < len(text) / 2
    places = [text.index(sentence.strip(" .")) for sentence in summary.split(". ")]
    assert places == sorted(places)


def test_the_summary_covers_the_beginning_the_middle_and_the_end(engine: Engine) -> None:
    """Facts that are told at 5, 50 and 95 % of 6,000 words of small talk are all in the summary."""
    facts = [
        "The bridge over the Tejo was closed after the earthquake.",
        "The new vaccine protects children against malaria.",
        "The orchestra has lost its conductor to an opera house in Vienna.",
    ]
    talk = ["Well, it is nice weather today, is it not?", "Yes, the weather is really nice today, I think."] * 340
    for fact, place in zip(facts, (0.05, 0.5, 0.95), strict=True):
        talk.insert(int(len(talk) * place), fact)
    summary = asking.summary(engine, talk)
    assert summary is not None
    assert all(fact in summary for fact in facts)
    assert len(summary.split()) < 150


@pytest.mark.parametrize("text", ["She opened the door and left.", " ".join(MEETING[:2])])
def test_a_short_text_is_its_own_summary(engine: Engine, text: str) -> None:
    """Nothing is invented where there is nothing to leave out."""
    assert asking.summary(engine, [text]) == text


@pytest.mark.parametrize("text", ["", "...", "=" * 100_000])
def test_there_is_no_summary_without_words(engine: Engine, text: str) -> None:
    """Punctuation alone, in any amount, gives None."""
    assert asking.summary(engine, [text]) is None


def test_what_was_read_is_not_kept(engine: Engine) -> None:
    """A worker that reads new words day after day does not grow: the model learns none of them, and of the vectors only
    the last are kept."""
    assert isinstance(engine, NlpEngine)
    finder: Any = engine._entities  # pyright: ignore[reportPrivateUsage]
    topics: Any = engine._topics  # pyright: ignore[reportPrivateUsage]

    def read(number: int) -> None:
        text = " ".join(f"Word{number}x{place} went to Lisbon." for place in range(50))
        asking.entities(engine, [text], ["person", "location"])
        asking.topics(engine, [f"{number} {text[:200]}"], ["sports", "work"])

    topics._encoder._memory = memory = Memory(200_000)
    read(0)
    known, held = len(finder._model.vocab.strings), memory.held_bytes
    for number in range(1, 81):
        read(number)
    assert len(finder._model.vocab.strings) == known
    assert held < memory.held_bytes <= memory.most_bytes


def test_capabilities_name_models_languages_and_labels(engine: Engine) -> None:
    """What `/audio/capabilities` shows of each part."""
    parts = engine.describe()
    assert {part: parts[part]["model"] for part in parts} == {
        "entities": "en_core_web_sm",
        "topics": "all-MiniLM-L6-v2",
        "summary": "all-MiniLM-L6-v2",
    }
    assert parts["entities"]["languages"] == ["en"]
    assert "organization" in parts["entities"]["labels"]


def test_a_missing_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Loading from an empty folder says which command brings the model."""
    with pytest.raises(ModelMissing, match="voxmesh models pull"):
        make_engine(Settings(models_dir=tmp_path)).load()
