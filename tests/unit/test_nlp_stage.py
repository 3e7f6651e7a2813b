"""The nlp stage, with an engine that knows a few names."""

import asyncio
from collections.abc import Sequence

import pytest

from services.nlp._parts import NlpEngine
from services.nlp.engine import make_engine
from services.nlp.protocol import Wanted
from services.nlp.settings import Settings
from services.nlp.stage import SEGMENTS_PER_CALL, WORDS_PER_CALL, run
from shared.errors import SettingsError
from shared.inference.batches import Batches
from shared.inference.device import Device
from shared.messages import Document, Entities, Entity, Notice, Options, Segment, Step, Summary, Topic, Topics
from tests.fakes.names import NamesEngine, NamesParts
from tests.fakes.stage import Died, FakeEmit, FakeWork, TogetherWork

STEPS = [
    Step.NER,
    Step.NER_COMPLETE,
    Step.CLASSIFICATION,
    Step.CLASSIFICATION_COMPLETE,
    Step.SUMMARIZATION,
    Step.SUMMARIZATION_COMPLETE,
]


def said(*texts: str, language: str | None = "en", translation: str | None = None) -> list[Segment]:
    return [
        Segment(index=index, start=index - 1, end=index, text=text, language=language, translation=translation)
        for index, text in enumerate(texts, 1)
    ]


async def outcome(work: FakeWork, engine: NamesEngine | None = None) -> tuple[Document, FakeEmit]:
    emit = FakeEmit(work)
    return await run(work, engine or NamesEngine(), emit), emit


def codes(warnings: Sequence[Notice]) -> list[str]:
    return [warning.code for warning in warnings]


async def test_each_step_is_announced_before_it_is_done_and_completed_with_its_result() -> None:
    """The six steps come in order, each `…_complete` with what the document then holds."""
    document, emit = await outcome(FakeWork(batches=[said("Anna is in Lisbon.", "It rains.")]))

    assert [step for step, *_ in emit.steps] == STEPS
    found = (
        Entity(text="Anna", label="person", start=0, end=4, score=0.5, segment=1),
        Entity(text="Lisbon", label="location", start=11, end=17, score=0.5, segment=1),
    )
    topics = (Topic(label="business", score=0.5), Topic(label="travel", score=1 / 3))
    assert emit.partial(Step.NER_COMPLETE) == Entities(entities=found, words=6, words_read=6)
    assert emit.partial(Step.CLASSIFICATION_COMPLETE) == Topics(topics=topics)
    assert emit.partial(Step.SUMMARIZATION_COMPLETE) == Summary(summary="Anna is in Lisbon.")
    assert [segment.entities for segment in emit.emitted] == [found, ()]
    assert (document.topics, document.summary, document.warnings) == (topics, "Anna is in Lisbon.", ())


async def test_what_earlier_stages_found_is_forwarded() -> None:
    """Duration, language and earlier warnings of the document, and the translation of a segment, stay as they were."""
    earlier = Notice(code="early", message="…")
    given = Document(segments=1, duration=7.5, language="en", target_language="pt", warnings=(earlier,))
    work = FakeWork(batches=[said("Anna sings.", translation="A Anna canta.")], document=given)
    document, emit = await outcome(work)
    assert (document.duration, document.language, document.target_language) == (7.5, "en", "pt")
    assert document.warnings == (earlier,)
    assert emit.emitted[0].translation == "A Anna canta."


async def test_a02_an_empty_transcript_needs_no_model() -> None:
    """Without text every step is announced with an empty result, and the engine is not called."""
    work = FakeWork(batches=[said("", " ")], document=Document(segments=2))
    document, emit = await outcome(work)
    assert [step for step, *_ in emit.steps] == STEPS
    assert work.computed == []
    assert (document.topics, document.summary) == ((), None)


async def test_labels_are_merged_and_come_back_as_the_client_wrote_them() -> None:
    """Case and blanks do not make labels different; the first form given is the one that is shown."""
    options = Options(entity_labels=("PERSON ", "person", "", " Person"), topics=(" Sports", "sports", "art"))
    document, emit = await outcome(FakeWork(options, batches=[said("Anna is in Lisbon.")]))
    assert [(entity.text, entity.label) for entity in emit.emitted[0].entities] == [("Anna", "PERSON")]
    assert [topic.label for topic in document.topics] == ["Sports", "art"]


async def test_labels_that_cannot_be_found_are_named_with_those_that_can() -> None:
    """An unknown entity label costs a warning, and the known ones are still looked for."""
    options = Options(entity_labels=("dinosaur", "person"))
    engine = NamesEngine()
    document, emit = await outcome(FakeWork(options, batches=[said("Anna is in Lisbon.")]), engine)
    assert engine.sought == ["person"]
    assert [entity.label for entity in emit.emitted[0].entities] == ["person"]
    (warning,) = document.warnings
    assert warning.code == "unsupported_entity_label"
    assert "dinosaur" in warning.message
    assert "person, location" in warning.message
    assert next(warnings for step, _, warnings in emit.steps if step is Step.NER_COMPLETE) == (warning,)


async def test_entities_are_not_guessed_in_a_language_that_the_model_does_not_know() -> None:
    """Segments in another language pass without entities, those in English get theirs, and a warning says so."""
    mixed = [*said("Anna is here."), *said("", "Anna está aqui.", language="pt")[1:]]
    engine = NamesEngine()
    document, emit = await outcome(FakeWork(batches=[mixed]), engine)
    assert [len(segment.entities) for segment in emit.emitted] == [1, 0]
    assert engine.read[0] == ["Anna is here."]
    assert codes(document.warnings) == ["entities_language", "topics_language", "summary_language"]
    entities = emit.partial(Step.NER_COMPLETE)
    assert isinstance(entities, Entities)
    assert (entities.words, entities.words_read) == (6, 3)


async def test_topics_and_summary_are_made_from_the_english_translation() -> None:
    """For speech in another language the models read its translation, if it is into a language they know."""
    given = Document(segments=1, language="pt", target_language="en")
    segments = said("Está a chover.", language="pt", translation="It is raining.")
    document, _ = await outcome(FakeWork(batches=[segments], document=given))
    assert document.summary == "It is raining."
    assert codes(document.warnings) == ["entities_language"]


async def test_a_translation_into_an_unknown_language_is_not_read() -> None:
    """German speech translated to Portuguese is read in German, with a warning."""
    given = Document(segments=1, language="de", target_language="pt")
    segments = said("Es regnet.", language="de", translation="Está a chover.")
    document, _ = await outcome(FakeWork(batches=[segments], document=given))
    assert document.summary == "Es regnet."
    assert "summary_language" in codes(document.warnings)


async def test_long_input_is_read_in_bounded_calls() -> None:
    """However much is there at once, the engine's thread gets at most `SEGMENTS_PER_CALL` segments at a time."""
    engine = NamesEngine()
    work = FakeWork(batches=[said(*["Anna."] * (2 * SEGMENTS_PER_CALL + 1))])
    await outcome(work, engine)
    assert [len(texts) for texts in engine.read[:3]] == [SEGMENTS_PER_CALL, SEGMENTS_PER_CALL, 1]
    assert work.computed == [*["entities"] * 3, "topics", "summaries"]


async def test_another_attempt_continues_behind_the_first() -> None:
    """After a crash the entities of both attempts are in the result, and finished segments are not read again."""
    batches = [said("Anna came.", "It rained.", "Anna left.")[:2], said("", "", "Anna left.")[2:]]
    first = FakeWork(batches=batches)
    with pytest.raises(Died):
        await run(first, NamesEngine(), FakeEmit(first, dies_after=2))

    engine = NamesEngine()
    second = FakeWork(batches=batches, written=first.written)
    _, emit = await outcome(second, engine)
    assert engine.read[0] == ["Anna left."]
    entities = emit.partial(Step.NER_COMPLETE)
    assert isinstance(entities, Entities)
    assert [(entity.text, entity.segment) for entity in entities.entities] == [("Anna", 1), ("Anna", 3)]


def test_what_tasks_want_at_the_same_time_is_found_in_one_call() -> None:
    """Tasks with the same labels share a call, and each gets what is in its own texts, under its own labels."""
    parts = NamesParts()
    engine = NlpEngine(Settings(), entities=parts, topics=parts, summary=parts)
    wanted = [
        Wanted(["Anna is here.", "It rains."], ["person"]),
        Wanted(["Anna is in Lisbon."], ["location"]),
        Wanted(["So is Anna."], ["person"]),
        Wanted([], ["person"]),
    ]
    found = engine.entities(wanted)
    assert [[[each.label for each in of_text] for of_text in of_task] for of_task in found] == [
        [["person"], []],
        [["location"]],
        [["person"]],
        [],
    ]
    assert parts.read == [["Anna is here.", "It rains.", "So is Anna."], ["Anna is in Lisbon."]]


async def talks(engine: NamesEngine, *texts: str) -> list[Document]:
    """The results of tasks that are there at the same time, each with one of the texts."""
    device = Device(patience_seconds=5)
    line = Batches(device)
    works = [TogetherWork(line, Options(topics=("a", "b")), batches=[said(text)]) for text in texts]
    try:
        return await asyncio.gather(*(run(work, engine, FakeEmit(work)) for work in works))
    finally:
        device.close()


async def test_tasks_share_the_calls_of_all_three_parts() -> None:
    """Entities, topics and summary of three tasks take one call each; every task gets its own."""
    engine = NamesEngine()
    documents = await talks(engine, "Anna is here.", "It rains.", "So is Lisbon.")
    assert engine.shared == [3, 3, 3]
    assert [document.summary for document in documents] == ["Anna is here.", "It rains.", "So is Lisbon."]
    assert all([topic.label for topic in document.topics] == ["a", "b"] for document in documents)


async def test_a_long_text_makes_no_other_task_wait_in_its_call() -> None:
    """What weighs more than a call may is computed alone: two short tasks share, and the long one has its own."""
    engine = NamesEngine()
    await talks(engine, "It rains.", "word " * WORDS_PER_CALL, "So it does.")
    assert engine.shared[0] == 3
    assert sorted(engine.shared[1:]) == [1, 1, 2, 2]


@pytest.mark.parametrize("variable", ["nlp_entities_engine", "nlp_topics_engine", "nlp_summary_engine"])
def test_an_unknown_engine_is_refused_with_the_choices(variable: str) -> None:
    """The error names the environment variable and what it can be."""
    settings = Settings(**{variable: "oracle"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(SettingsError, match=rf"^{variable.upper()}: .*'oracle'.* embedded, \w+$"):
        make_engine(settings)


def test_the_model_needs_no_library_to_be_chosen() -> None:
    """What an engine can do is known before its models are loaded: labels, defaults and languages."""
    engine = make_engine(Settings(nlp_topics="art, , music"))
    assert engine.default_topics == ["art", "music"]
    assert engine.finds(" Organisation")
    assert not engine.finds("dinosaur")
    assert all(map(engine.finds, engine.default_entity_labels))
