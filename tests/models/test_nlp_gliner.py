"""GLiNER through its real library, on a model that is trained here for seconds."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from services.nlp._parts import NlpEngine
from services.nlp.protocol import Engine, Wanted
from services.nlp.stage import run
from shared.errors import ModelMissing
from shared.messages import Entities, Options, Segment, Step, Topic
from tests.fakes import asking, tiny_models
from tests.fakes.stage import FakeEmit, FakeWork
from tests.fakes.tiny_models import FIRST, LAST, filler
from tests.models.trained import gives_way_to_a_small_card, loaded, misses_its_card

pytestmark = pytest.mark.timeout(300)  # training takes a minute where others compute beside us

NAMES = [f"{first.title()} {last.title()}" for first, last in zip(FIRST, LAST, strict=True)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def finder(folder: Path) -> Engine:
    """GLiNER, which reads at most 20 words at once."""
    return loaded(nlp_entities_engine="gliner", nlp_entities_model=str(tiny_models.gliner_in(folder)))


def named(engine: Engine, text: str, labels: Sequence[str] = ("person", "city")) -> list[tuple[str, str]]:
    return [(text[found.start : found.end], found.label) for found in asking.entities(engine, [text], labels)[0]]


def test_gliner_finds_what_it_was_trained_to_find(finder: Engine) -> None:
    """Names and cities come with their exact places, label and certainty, each text for itself."""
    texts = ["It rained and Maria Lopez met David Brown in Berlin.", "", "Nobody came to Tokyo, Anna."]
    found = asking.entities(finder, texts, ["person", "city"])
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
        self.entity_labels = engine.entity_labels
        self.entity_languages = engine.entity_languages
        self.default_entity_labels = engine.default_entity_labels
        self.load = self.warm_up = lambda: None

    def describe(self) -> dict[str, object]:
        return {}

    def topics(self, wanted: Sequence[Wanted]) -> Sequence[Sequence[Topic]]:
        return [[Topic(label=label, score=len(each.texts)) for label in each.labels] for each in wanted]

    def summaries(self, talks: Sequence[Sequence[str]]) -> Sequence[str | None]:
        return [next(iter(texts), None) for texts in talks]


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
    (found,) = asking.entities(finder, [text], ["person", "city"])
    end = 0
    for entity in found:
        assert end <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == text[entity.start : entity.end].strip()
        end = entity.end


@pytest.mark.usefixtures("finder")
def test_a13_a_card_that_runs_out_of_memory_is_asked_for_less(folder: Path) -> None:
    """Windows of a long text go in halves; twice in a row ends the process."""
    text = " ".join([*NAMES[:1], *filler(random.Random(1), 160)])
    model = str(folder / "gliner")
    gives_way_to_a_small_card(
        lambda engine: named(engine, text), "entities", nlp_entities_engine="gliner", nlp_entities_model=model
    )


@pytest.mark.usefixtures("finder")
def test_a_card_that_is_not_there_is_said_to_be_missing(folder: Path) -> None:
    """The worker ends with one line."""
    misses_its_card("entities", nlp_entities_engine="gliner", nlp_entities_model=str(folder / "gliner"))


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
