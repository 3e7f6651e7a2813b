"""NLI and sequence-to-sequence models through transformers, trained here for seconds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.nlp._parts import NlpEngine
from services.nlp.protocol import Engine, Wanted
from shared.errors import ModelMissing, SettingsError
from tests.fakes import asking, tiny_models
from tests.fakes.tiny_models import FACTS, NOTHING, TOPICS
from tests.models.trained import cramped, gives_way_to_a_small_card, loaded, misses_its_card, talk

pytestmark = pytest.mark.timeout(300)  # training takes a minute where others compute beside us


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def classifier(folder: Path) -> Engine:
    """NLI, which reads at most 48 words at once."""
    return loaded(nlp_topics_engine="nli", nlp_topics_model=str(tiny_models.nli_in(folder)))


@pytest.fixture(scope="session")
def writer(folder: Path) -> Engine:
    """BART, which reads at most 60 words at once."""
    return loaded(nlp_summary_engine="seq2seq", nlp_summary_model=str(tiny_models.seq2seq_in(folder)))


@pytest.mark.parametrize("topic", TOPICS)
def test_nli_knows_what_a_text_is_about(classifier: Engine, topic: str) -> None:
    """The topic that the text entails has nearly 1, each other nearly 0; a comma in a label is no end of it."""
    words = TOPICS[topic]
    topics = asking.topics(classifier, [f"It rained and the {words[0]} met the {words[1]}."], list(TOPICS))
    assert topics[0].label == topic
    assert topics[0].score > 0.9
    assert all(other.score < 0.1 for other in topics[1:])


def test_nli_reads_all_of_a_long_text(classifier: Engine) -> None:
    """Two thirds of a text are about food and the last third about health: that is the order of the topics."""
    food = "The soup and the rice came with bread, onions and more soup from the oven. " * 40
    health = "The doctor and the patient spoke of fever, pain and the vaccine of the doctor. " * 20
    first, second, *others = asking.topics(classifier, [food + health], list(TOPICS))
    assert [first.label, second.label] == ["food", "health"]
    assert first.score == pytest.approx(2 / 3, abs=0.1)
    assert second.score == pytest.approx(1 / 3, abs=0.1)
    assert all(other.score < 0.1 for other in others)


def test_n07_labels_of_any_kind_do_no_harm(folder: Path, classifier: Engine) -> None:
    """One label gets its score; fifty on a long text cost no more than the settings allow, and each has its score."""
    text = "The striker met the referee at the match. " * 200
    assert asking.topics(classifier, [text], ["sports"])[0].score > 0.9
    many = ["sports", *(f"thing {number}" for number in range(49))]
    model = str(folder / "nli")
    limited = loaded(nlp_topics_engine="nli", nlp_topics_model=model, nlp_topics_pairs=100)
    model = cramped(limited, "topics", most=10_000)
    assert {topic.label for topic in asking.topics(limited, [text], many)} == set(many)
    assert sum(model.asked) == 100
    assert asking.topics(limited, ["..."], many) == []


def test_seq2seq_writes_a_summary(writer: Engine) -> None:
    """The model's own words come out, to the letter."""
    text = f"{talk(27, seed=7)} {FACTS['bridge']} {talk(9, seed=8)}"
    assert asking.summary(writer, [text]) == FACTS["bridge"]


def test_n05_the_summary_of_a_long_text_covers_all_of_it(writer: Engine) -> None:
    """Facts at 5, 50 and 95 % of 6,000 words are told, in their order, by a model that reads 60 words at once."""
    facts = [FACTS["vaccine"], FACTS["train"], FACTS["budget"]]
    text = " ".join(
        [talk(300, seed=1), facts[0], talk(2700, seed=2), facts[1], talk(2700, seed=3), facts[2], talk(300, seed=4)]
    )
    summary = asking.summary(writer, [text])
    assert summary == " ".join([NOTHING, *facts])
    assert asking.summary(writer, ["=" * 100_000]) is None


def test_summaries_of_parts_are_summarised_again(folder: Path, writer: Engine) -> None:
    """What the parts have given is read once more when it is longer than a summary should be."""
    model = str(folder / "seq2seq")
    brief = loaded(nlp_summary_engine="seq2seq", nlp_summary_model=model, nlp_summary_words=5)
    text = f"{talk(300, seed=1)} {FACTS['bridge']} {talk(300, seed=2)} {FACTS['vaccine']}"
    assert asking.summary(writer, [text]) == " ".join([NOTHING, FACTS["bridge"], FACTS["vaccine"]])
    assert asking.summary(brief, [text]) == " ".join([FACTS["bridge"], FACTS["vaccine"]])


@pytest.mark.parametrize("count", [0, 1, 8, 39])
def test_n06_a_short_text_is_its_own_summary(writer: Engine, count: int) -> None:
    """Below 40 words nothing is made up or left out; without a word there is none."""
    text = talk(count, seed=9)
    assert asking.summary(writer, [text]) == (text or None)


def test_n06_a_summary_ends_with_a_sentence_and_is_shorter_than_the_text(writer: Engine) -> None:
    """Right above the limit, too: whole sentences, and fewer of them."""
    for count in (40, 45, 80):
        text = talk(count, seed=count)
        summary = asking.summary(writer, [text])
        assert summary is not None
        assert len(summary) < len(text)
        assert summary.endswith(".")


ASKING: dict[str, tuple[str, Callable[[Engine], object]]] = {
    "topics": ("nli", lambda engine: asking.topics(engine, ["The doctor has a patient with fever."], list(TOPICS) * 2)),
    "summary": ("seq2seq", lambda engine: asking.summary(engine, [f"{talk(500, seed=1)} {FACTS['train']}"])),
}
"""A question for each part that takes at least eight texts at once; and the engine that it is for."""


@pytest.mark.usefixtures("classifier", "writer")
@pytest.mark.parametrize("part", ASKING)
def test_a13_a_card_that_runs_out_of_memory_is_asked_for_less(folder: Path, part: str) -> None:
    """Windows of a long text go in halves; twice in a row ends the process."""
    engine, ask = ASKING[part]
    chosen = {f"nlp_{part}_engine": engine, f"nlp_{part}_model": str(folder / engine)}
    gives_way_to_a_small_card(ask, part, **chosen)


@pytest.mark.usefixtures("classifier", "writer")
@pytest.mark.parametrize("part", ASKING)
def test_a_card_that_is_not_there_is_said_to_be_missing(folder: Path, part: str) -> None:
    """The worker ends with one line."""
    engine = ASKING[part][0]
    misses_its_card(part, **{f"nlp_{part}_engine": engine, f"nlp_{part}_model": str(folder / engine)})


def test_texts_of_several_tasks_are_judged_together(classifier: Engine) -> None:
    """Four tasks with their own labels get what each gets alone, in fewer runs of the model."""
    assert isinstance(classifier, NlpEngine)
    part: Any = classifier._topics  # pyright: ignore[reportPrivateUsage]
    wanted = [
        Wanted([f"It rained and the {words[0]} met the {words[1]}."], list(TOPICS)[:3]) for words in TOPICS.values()
    ]
    runs: list[int] = []

    def count(*_: object) -> None:
        runs.append(1)

    hook = part._model.register_forward_hook(count)
    alone = [asking.topics(classifier, each.texts, each.labels) for each in wanted]
    runs_alone, runs[:] = len(runs), []
    found = classifier.topics(wanted)
    hook.remove()
    assert [[topic.label for topic in topics] for topics in found] == [[topic.label for topic in of] for of in alone]
    for together, apart in zip(found, alone, strict=True):
        assert [topic.score for topic in together] == pytest.approx([topic.score for topic in apart], abs=0.01)
    assert (runs_alone, len(runs)) == (4, 2)


def test_talks_of_several_tasks_are_summarised_together(writer: Engine) -> None:
    """Short and long ones, those that need another round and those without a word: each has its own summary."""
    talks = [
        [f"{talk(300, seed=1)} {FACTS['bridge']} {talk(300, seed=2)} {FACTS['vaccine']}"],
        [],
        ["It rained."],
        [f"{talk(27, seed=7)} {FACTS['bridge']} {talk(9, seed=8)}"],
    ]
    assert list(writer.summaries(talks)) == [asking.summary(writer, texts) for texts in talks]
    assert writer.summaries(talks)[1:] == [None, "It rained.", FACTS["bridge"]]


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
