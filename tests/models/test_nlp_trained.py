"""The production engines of the nlp stage through their real libraries, on models that are trained here for seconds."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from services.nlp.engine import NlpEngine, make_engine
from services.nlp.settings import Settings
from services.nlp.stage import Engine, run
from shared.errors import ModelMissing, SettingsError
from shared.messages import Entities, Options, Segment, Step, Topic
from tests.fakes import tiny_models
from tests.fakes.stage import FakeEmit, FakeWork
from tests.fakes.tiny_models import FACTS, FIRST, LAST, NOTHING, TOPICS, filler, sentences_of

pytestmark = pytest.mark.timeout(300)  # training takes a minute where others compute beside us

NAMES = [f"{first.title()} {last.title()}" for first, last in zip(FIRST, LAST, strict=True)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def finder(folder: Path) -> Engine:
    """GLiNER, which reads at most 20 words at once."""
    return loaded(nlp_entities_engine="gliner", nlp_entities_model=str(tiny_models.gliner_in(folder)))


@pytest.fixture(scope="session")
def classifier(folder: Path) -> Engine:
    """NLI, which reads at most 48 words at once."""
    return loaded(nlp_topics_engine="nli", nlp_topics_model=str(tiny_models.nli_in(folder)))


@pytest.fixture(scope="session")
def writer(folder: Path) -> Engine:
    """BART, which reads at most 60 words at once."""
    return loaded(nlp_summary_engine="seq2seq", nlp_summary_model=str(tiny_models.seq2seq_in(folder)))


def loaded(**chosen: object) -> Engine:
    """The engine with one part as it is chosen and loaded; the other parts are not."""
    settings = Settings(worker_threads=1, **chosen)  # pyright: ignore[reportArgumentType]
    engine = make_engine(settings)
    (part,) = (name.split("_")[1] for name in chosen if name.endswith("_engine"))
    getattr(engine, f"_{part}").load()
    return engine


def named(engine: Engine, text: str, labels: Sequence[str] = ("person", "city")) -> list[tuple[str, str]]:
    return [(text[found.start : found.end], found.label) for found in engine.entities([text], labels)[0]]


def talk(count: int, *, seed: int) -> str:
    return " ".join(sentences_of(filler(random.Random(seed), count)))


def test_gliner_finds_what_it_was_trained_to_find(finder: Engine) -> None:
    """Names and cities come with their exact places, label and certainty, each text for itself."""
    texts = ["It rained and Maria Lopez met David Brown in Berlin.", "", "Nobody came to Tokyo, Anna."]
    found = finder.entities(texts, ["person", "city"])
    assert [
        [(text[each.start : each.end], each.label) for each in of] for text, of in zip(texts, found, strict=True)
    ] == [
        [("Maria Lopez", "person"), ("David Brown", "person"), ("Berlin", "city")],
        [],
        [("Tokyo", "city"), ("Anna", "person")],
    ]
    assert all(0.9 < each.score <= 1 for of in found for each in of)


async def test_n01_names_are_found_all_over_a_long_text(finder: Engine) -> None:
    """One name in each 200 of 2,000 words is found, by a model that sees 20 at a time; the event tells that each
    word of the text was read."""
    words = filler(random.Random(4), 2000)
    for number, name in enumerate(NAMES):
        words.insert(number * 201 + 100, name)
    text = " ".join(words)
    work = FakeWork(Options(entity_labels=("person",)), batches=[[Segment(index=1, start=0, end=1, text=text)]])
    emit = FakeEmit(work)
    await run(work, _Finding(finder), emit)
    found = emit.partial(Step.NER_COMPLETE)
    assert isinstance(found, Entities)
    assert [entity.text for entity in found.entities] == NAMES
    assert (found.words, found.words_read) == (2020, 2020)


class _Finding:
    """An engine that finds entities and has no opinion on the whole."""

    topic_languages = summary_languages = ()
    default_topics = ("any",)

    def __init__(self, engine: Engine) -> None:
        self.finds = engine.finds
        self.entities = engine.entities
        self.entities_of = engine.entities_of
        self.entity_labels = engine.entity_labels
        self.entity_languages = engine.entity_languages
        self.default_entity_labels = engine.default_entity_labels
        self.load = self.warm_up = lambda: None

    def describe(self) -> dict[str, object]:
        return {}

    def topics(self, texts: Sequence[str], labels: Sequence[str]) -> list[Topic]:
        return [Topic(label=label, score=len(texts)) for label in labels]

    def summary(self, texts: Sequence[str]) -> str | None:
        return next(iter(texts), None)


def test_n03_a_name_is_found_once_and_whole_wherever_a_window_ends(finder: Engine) -> None:
    """Moved over two windows' edges word by word, a name stays one entity; one that is said twice stays two."""
    for before in range(40):
        text = " ".join([*filler(random.Random(5), before), "Maria Lopez", *filler(random.Random(6), 25)])
        assert named(finder, text) == [("Maria Lopez", "person")], before
    for before in (11, 14, 15, 17):
        text = " ".join(
            [*filler(random.Random(5), before), "Maria Lopez , and Maria Lopez", *filler(random.Random(6), 9)]
        )
        assert named(finder, text) == [("Maria Lopez", "person")] * 2, before


async def test_n04_labels_in_any_case_are_one_and_come_back_as_given(finder: Engine) -> None:
    """'Person', 'person' and ' PERSON ' ask once; what a model finds does not hang on how labels are written."""
    text = "maria lopez came to BERLIN."
    assert named(finder, text, ["Person", "CITY"]) == [("maria lopez", "Person"), ("BERLIN", "CITY")]
    work = FakeWork(
        Options(entity_labels=("Person", "person", " PERSON ")),
        batches=[[Segment(index=1, start=0, end=1, text=text)]],
    )
    emit = FakeEmit(work)
    await run(work, _Finding(finder), emit)
    assert [(entity.text, entity.label) for entity in emit.emitted[0].entities] == [("maria lopez", "Person")]


def test_many_labels_are_asked_for_in_turns(finder: Engine) -> None:
    """More labels than a model reads at once leave it half of its room for the text, and none of them is forgotten."""
    assert isinstance(finder, NlpEngine)
    part: Any = finder._entities  # pyright: ignore[reportPrivateUsage]
    labels = [f"thing {number} at home" for number in range(40)]
    groups = list(part._groups(labels))
    assert [label for group, _ in groups for label in group] == labels
    assert all(places >= part._room // 2 - 3 for _, places in groups)
    assert named(finder, "Maria Lopez came.", [*labels, "person"])[0][0] == "Maria Lopez"


def test_nonsense_is_read_in_no_time(finder: Engine) -> None:
    """A drawn line, or a word without end, is no reason to compute for minutes, and hides no name behind it."""
    assert named(finder, "=" * 100_000 + " It rained and Maria Lopez came. " + "x" * 50_000) == [
        ("Maria Lopez", "person")
    ]


@rules(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=120)
    | st.lists(
        st.sampled_from([*" \n\t.,'’-\u00a0\u200b\u0301\0", "Maria", "Berlin", "lopez", "👩‍🚀", "é", "日本"])
    ).map("".join)
)
@example(text="Maria\u200bLopez \ufeff in\u00a0Berlin ")
@example(text="😀 Maria Lopez 😀😀 met \u0000 Anna in Zürich.\u2028")
@example(text="\u200b\u200b \u0301")
def test_the_text_at_an_entitys_offsets_is_its_text(finder: Engine, text: str) -> None:
    """In any text: entities lie inside of it, in order, apart from each other, without blanks at their ends."""
    (found,) = finder.entities([text], ["person", "city"])
    end = 0
    for entity in found:
        assert end <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == text[entity.start : entity.end].strip()
        end = entity.end


@pytest.mark.parametrize("topic", TOPICS)
def test_nli_knows_what_a_text_is_about(classifier: Engine, topic: str) -> None:
    """The topic that the text entails has nearly 1, each other nearly 0; a comma in a label is no end of it."""
    words = TOPICS[topic]
    topics = classifier.topics([f"It rained and the {words[0]} met the {words[1]}."], list(TOPICS))
    assert topics[0].label == topic
    assert topics[0].score > 0.9
    assert all(other.score < 0.1 for other in topics[1:])


def test_nli_reads_all_of_a_long_text(classifier: Engine) -> None:
    """Two thirds of a text are about food and the last third about health: that is the order of the topics."""
    food = "The soup and the rice came with bread, onions and more soup from the oven. " * 40
    health = "The doctor and the patient spoke of fever, pain and the vaccine of the doctor. " * 20
    first, second, *others = classifier.topics([food + health], list(TOPICS))
    assert [first.label, second.label] == ["food", "health"]
    assert first.score == pytest.approx(2 / 3, abs=0.1)
    assert second.score == pytest.approx(1 / 3, abs=0.1)
    assert all(other.score < 0.1 for other in others)


def test_n07_labels_of_any_kind_do_no_harm(folder: Path, classifier: Engine) -> None:
    """One label gets its score; fifty on a long text cost no more than the settings allow, and each has its score."""
    text = "The striker met the referee at the match. " * 200
    assert classifier.topics([text], ["sports"])[0].score > 0.9
    many = ["sports", *(f"thing {number}" for number in range(49))]
    model = str(folder / "nli")
    limited = loaded(nlp_topics_engine="nli", nlp_topics_model=model, nlp_topics_pairs=100)
    assert {topic.label for topic in limited.topics([text], many)} == set(many)
    assert limited.topics(["..."], many) == []


def test_seq2seq_writes_a_summary(writer: Engine) -> None:
    """The model's own words come out, to the letter."""
    text = f"{talk(27, seed=7)} {FACTS['bridge']} {talk(9, seed=8)}"
    assert writer.summary([text]) == FACTS["bridge"]


def test_n05_the_summary_of_a_long_text_covers_all_of_it(writer: Engine) -> None:
    """Facts at 5, 50 and 95 % of 6,000 words are told, in their order, by a model that reads 60 words at once."""
    facts = [FACTS["vaccine"], FACTS["train"], FACTS["budget"]]
    text = " ".join(
        [talk(300, seed=1), facts[0], talk(2700, seed=2), facts[1], talk(2700, seed=3), facts[2], talk(300, seed=4)]
    )
    summary = writer.summary([text])
    assert summary == " ".join([NOTHING, *facts])
    assert writer.summary(["=" * 100_000]) is None


def test_summaries_of_parts_are_summarised_again(folder: Path, writer: Engine) -> None:
    """What the parts have given is read once more when it is longer than a summary should be."""
    model = str(folder / "seq2seq")
    brief = loaded(nlp_summary_engine="seq2seq", nlp_summary_model=model, nlp_summary_words=5)
    text = f"{talk(300, seed=1)} {FACTS['bridge']} {talk(300, seed=2)} {FACTS['vaccine']}"
    assert writer.summary([text]) == " ".join([NOTHING, FACTS["bridge"], FACTS["vaccine"]])
    assert brief.summary([text]) == " ".join([FACTS["bridge"], FACTS["vaccine"]])


@pytest.mark.parametrize("count", [0, 1, 8, 39])
def test_n06_a_short_text_is_its_own_summary(writer: Engine, count: int) -> None:
    """Below 40 words nothing is made up or left out; without a word there is none."""
    text = talk(count, seed=9)
    assert writer.summary([text]) == (text or None)


def test_n06_a_summary_ends_with_a_sentence_and_is_shorter_than_the_text(writer: Engine) -> None:
    """Right above the limit, too: whole sentences, and fewer of them."""
    for count in (40, 45, 80):
        text = talk(count, seed=count)
        summary = writer.summary([text])
        assert summary is not None
        assert len(summary) < len(text)
        assert summary.endswith(".")


@pytest.mark.parametrize(("part", "engine"), [("entities", "gliner"), ("topics", "nli"), ("summary", "seq2seq")])
def test_an_engine_without_its_model_says_what_to_do(tmp_path: Path, part: str, engine: str) -> None:
    """No name, a name that was not pulled, and a folder that holds something else are told apart, by the variable."""
    chosen = {f"nlp_{part}_engine": engine, "models_dir": tmp_path}
    variable = f"NLP_{part.upper()}_MODEL"
    with pytest.raises(SettingsError, match=f"{variable}: this engine needs a model"):
        loaded(**chosen)
    with pytest.raises(ModelMissing, match="run `voxmesh models pull owner/name`"):
        loaded(**chosen, **{variable.lower(): "owner/name"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(SettingsError, match=f"{variable}: cannot load"):
        loaded(**chosen, **{variable.lower(): str(tmp_path / "other")})


@pytest.mark.usefixtures("finder")
def test_a_published_gliner_finds_its_encoder_among_the_models(folder: Path, tmp_path: Path) -> None:
    """A model that leaves out its encoder and only names it works once that is there, without a download."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in (folder / "gliner").iterdir():
        if "token" not in file.name:
            (bare / file.name).write_bytes(file.read_bytes())
    config = json.loads((bare / "gliner_config.json").read_text())
    unknown = {"class_token_index": -1, "vocab_size": -1}  # as such models say who count on the tokenizer being made
    (bare / "gliner_config.json").write_text(json.dumps(config | {"model_name": "owner/encoder"}))
    chosen = {"nlp_entities_engine": "gliner", "nlp_entities_model": str(bare), "models_dir": tmp_path}
    with pytest.raises(ModelMissing, match="run `voxmesh models pull owner/encoder`"):
        loaded(**chosen)
    (bare / "gliner_config.json").write_text(json.dumps(config | {"model_name": str(folder / "backbone"), **unknown}))
    assert named(loaded(**chosen), "Maria Lopez came.") == [("Maria Lopez", "person")]
