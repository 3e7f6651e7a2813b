"""The translate stage against an engine that answers in capitals."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import pytest

from services.translate.engine import make_engine
from services.translate.settings import Settings
from services.translate.stage import SENTENCES_PER_CALL, STAGE, Together
from shared.errors import SettingsError
from shared.messages import Document, Notice, Options, Segment, Step, Translation, TranslationPart
from tests.fakes.stage import Died, FakeEmit, FakeWork


class Shouter:
    """Translates English to Portuguese by shouting. `asked` holds the sentences of each call."""

    def __init__(self, pairs: Collection[tuple[str, str]] = (("en", "pt"),)) -> None:
        self._pairs = set(pairs)
        self.asked: list[tuple[list[str], str, str]] = []

    def load(self) -> None: ...

    def warm_up(self) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {"engine": "shouter"}

    @property
    def pairs(self) -> Collection[tuple[str, str]]:
        return self._pairs

    def via(self, source: str, target: str) -> str | None:
        assert (source, target) in self.pairs
        return None

    def translate(self, sentences: Sequence[str], source: str, target: str) -> list[str]:
        self.asked.append((list(sentences), source, target))
        return ["again " * 50 if "loop" in sentence else sentence.upper() for sentence in sentences]


def spoken(*texts: str, language: str | None = "en", first: int = 1) -> list[Segment]:
    return [
        Segment(index=first + number, start=number, end=number + 1, text=text, language=language)
        for number, text in enumerate(texts)
    ]


TO_PORTUGUESE = Options(target_language="pt")


async def test_each_segment_is_enriched_and_the_whole_reported() -> None:
    """Segments leave with a translation and everything else they came with; the end brings the text in full."""
    segments = spoken("Good morning. How are you?", "Fine.")
    work = FakeWork(TO_PORTUGUESE, batches=[segments], document=Document(segments=2, language="en", duration=2.0))
    emit, engine = FakeEmit(work), Shouter()
    document = await STAGE.run(work, engine, emit)
    assert [segment.translation for segment in emit.emitted] == ["GOOD MORNING. HOW ARE YOU?", "FINE."]
    assert [segment.text for segment in emit.emitted] == [segment.text for segment in segments]
    assert engine.asked == [(["Good morning.", "How are you?", "Fine."], "en", "pt")]
    whole = Translation(translation="GOOD MORNING. HOW ARE YOU? FINE.", target_language="pt")
    assert emit.steps == [(Step.TRANSLATION_COMPLETE, whole, ())]
    assert document == Document(segments=2, language="en", duration=2.0, target_language="pt")


async def test_a_batch_is_written_before_the_next_is_awaited() -> None:
    """Each batch of input is one turn on the engine's thread and leaves as soon as it is translated."""
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("a", "b"), spoken("c", first=3)])
    emit, engine = FakeEmit(work), Shouter()
    await STAGE.run(work, engine, emit)
    assert [len(segments) for segments, _ in emit.calls] == [2, 1]
    assert len(work.computed) == 2


async def test_a_large_batch_is_cut_into_calls_of_bounded_size() -> None:
    """Neither many segments nor a long one keep the engine from other tasks, and the first leave early."""
    texts = ["One. Two."] * SENTENCES_PER_CALL + ["Long. " * 100]
    work = FakeWork(TO_PORTUGUESE, batches=[spoken(*texts)])
    emit, engine = FakeEmit(work), Shouter()
    await STAGE.run(work, engine, emit)
    assert max(len(sentences) for sentences, _, _ in engine.asked) <= SENTENCES_PER_CALL
    assert len(emit.calls) == 3
    assert emit.emitted[-1].translation == "LONG. " * 100


async def test_t04_white_space_survives_and_blanks_are_not_translated() -> None:
    """Line breaks, blank lines and spaces at the ends stay; a blank segment never reaches the model."""
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("  a.\n\n  b. ", "", " \n", "\u00a0", "...")])
    emit, engine = FakeEmit(work), Shouter()
    await STAGE.run(work, engine, emit)
    assert [segment.translation for segment in emit.emitted] == ["  A.\n\n  B. ", "", " \n", "\u00a0", "..."]
    assert engine.asked == [(["a.", "b."], "en", "pt")]


async def test_a_second_attempt_goes_on_behind_the_first() -> None:
    """After a death nothing is translated again, and the whole text holds what both attempts wrote."""
    batches = [spoken("a"), spoken("b", first=2)]
    work = FakeWork(TO_PORTUGUESE, batches=batches)
    with pytest.raises(Died):
        await STAGE.run(work, Shouter(), FakeEmit(work, dies_after=1))
    again = FakeWork(TO_PORTUGUESE, batches=batches, written=work.written)
    emit, engine = FakeEmit(again), Shouter()
    await STAGE.run(again, engine, emit)
    assert engine.asked == [(["b"], "en", "pt")]
    assert emit.partial(Step.TRANSLATION_COMPLETE) == Translation(translation="A B", target_language="pt")


async def test_a_pair_without_a_model_is_a_warning() -> None:
    """Segments go on without a translation, the event carries null, and the warning names the pairs on offer."""
    earlier = Notice(code="earlier", message="From the stage before.")
    work = FakeWork(
        TO_PORTUGUESE,
        batches=[spoken("Bonjour.", language="fr")],
        document=Document(segments=1, warnings=(earlier,)),
    )
    emit = FakeEmit(work)
    document = await STAGE.run(work, Shouter(), emit)
    assert [segment.translation for segment in emit.emitted] == [None]
    ((step, partial, warnings),) = emit.steps
    assert (step, partial) == (Step.TRANSLATION_COMPLETE, Translation(translation=None, target_language="pt"))
    (notice,) = warnings
    assert notice.code == "no_translation_model"
    assert notice.message == "There is no model for fr to pt. On offer: en to pt."
    assert document.warnings == (earlier, notice)


async def test_an_unknown_language_says_how_to_name_it() -> None:
    """Text whose language nobody knows is not guessed at; the warning says which field to fill in."""
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("Hm.", language=None)])
    document = await STAGE.run(work, Shouter(), FakeEmit(work))
    (notice,) = document.warnings
    assert notice.code == "no_translation_model"
    assert "`language`" in notice.message


async def test_t07_text_in_the_target_language_passes_through() -> None:
    """Nothing is computed, the text is its own translation, and the client is told."""
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("Olá.", language="pt")])
    emit = FakeEmit(work)
    document = await STAGE.run(work, Shouter(), emit)
    assert [segment.translation for segment in emit.emitted] == ["Olá."]
    assert [notice.code for notice in document.warnings] == ["same_language"]
    assert work.computed == []


async def test_the_language_of_the_options_wins() -> None:
    """Who names the language is believed, whatever the recogniser thought."""
    work = FakeWork(Options(language="en", target_language="pt"), batches=[spoken("Hi.", language="nl")])
    emit = FakeEmit(work)
    await STAGE.run(work, Shouter(), emit)
    assert [segment.translation for segment in emit.emitted] == ["HI."]


async def test_segments_of_several_languages_are_each_treated_as_what_they_are() -> None:
    """What can be translated is, what is in the target language stays, and what has no model is named."""
    segments = [*spoken("Hi."), *spoken("Oi.", language="pt", first=2), *spoken("Salut.", language="fr", first=3)]
    work = FakeWork(TO_PORTUGUESE, batches=[segments])
    emit = FakeEmit(work)
    document = await STAGE.run(work, Shouter(), emit)
    assert [segment.translation for segment in emit.emitted] == ["HI.", "Oi.", None]
    assert [notice.code for notice in document.warnings] == ["no_translation_model"]
    assert emit.partial(Step.TRANSLATION_COMPLETE) == Translation(translation="HI. Oi.", target_language="pt")


async def test_suspect_sentences_are_counted_once() -> None:
    """However many segments keep their source text, at least in part, there is one warning, with their number, and
    they say so themselves."""
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("A loop. Fine."), spoken("Another loop.", first=2)])
    emit = FakeEmit(work)
    document = await STAGE.run(work, Shouter(), emit)
    assert [segment.translation for segment in emit.emitted] == ["A loop. FINE.", "Another loop."]
    (notice,) = document.warnings
    assert notice.code == "translation_suspect"
    assert notice.message.startswith("2 segments")
    assert [segment.flags for segment in emit.emitted] == [("translation_suspect",)] * 2


@pytest.mark.parametrize("dies_after", [1, 2, 3])
async def test_an_attempt_behind_a_dead_one_warns_of_the_same(dies_after: int) -> None:
    """Wherever a worker dies, its successor's document is that of an undisturbed run, what stages before have flagged
    included."""
    spoilt, *rest = spoken("A loop.", "Fine.", "Another loop.")
    batches = [[segment] for segment in (spoilt.flagged("times_clamped"), *rest)]
    work = FakeWork(TO_PORTUGUESE, batches=batches)
    undisturbed = await STAGE.run(work, Shouter(), FakeEmit(work))
    assert undisturbed.warnings[0].message.startswith("2 segments")
    assert work.written[0].flags == ("times_clamped", "translation_suspect")
    first = FakeWork(TO_PORTUGUESE, batches=batches)
    with pytest.raises(Died):
        await STAGE.run(first, Shouter(), FakeEmit(first, dies_after=dies_after))
    second = FakeWork(TO_PORTUGUESE, batches=batches, written=first.written)
    assert await STAGE.run(second, Shouter(), FakeEmit(second)) == undisturbed
    assert second.written == work.written


async def test_a02_no_speech_gives_an_empty_translation() -> None:
    """A recording without a segment is translated to nothing, without a warning."""
    work = FakeWork(TO_PORTUGUESE)
    emit = FakeEmit(work)
    document = await STAGE.run(work, Shouter(), emit)
    assert emit.partial(Step.TRANSLATION_COMPLETE) == Translation(translation="", target_language="pt")
    assert document.warnings == ()


def test_the_text_so_far_is_the_partial_result() -> None:
    """Clients see the translation grow; a segment without one makes no event."""
    (segment,) = spoken("Hi.")
    assert STAGE.partial is not None
    assert STAGE.partial.piece(segment).text is None
    assert STAGE.partial.part("Olá.", segment) == TranslationPart(translation="Olá.", segment=segment)


def test_an_unknown_engine_is_refused_with_the_choices() -> None:
    """The message names the variable, what was asked for and what there is."""
    with pytest.raises(SettingsError, match=r"TRANSLATE_ENGINE: .*'magic'; choose from embedded"):
        make_engine(Settings(translate_engine="magic"))


async def test_what_the_recogniser_has_translated_stays() -> None:
    """It is not translated again, and nobody is warned that there is no model for its language."""
    done, left = spoken("Good morning.", "Fine.", language="fi")
    segments = [msgspec.structs.replace(done, translation="Good morning."), left]
    work = FakeWork(TO_PORTUGUESE, batches=[segments], document=Document(segments=2, language="fi"))
    emit, engine = FakeEmit(work), Shouter()
    document = await STAGE.run(work, engine, emit)
    assert [segment.translation for segment in emit.emitted] == ["Good morning.", None]
    assert [warning.code for warning in document.warnings] == ["no_translation_model"]
    alone = FakeWork(TO_PORTUGUESE, batches=[segments[:1]], document=Document(segments=1, language="fi"))
    assert (await STAGE.run(alone, engine, FakeEmit(alone))).warnings == ()
    assert engine.asked == []


def test_what_several_tasks_ask_at_once_is_one_call() -> None:
    """Sentences of one pair go to the model together, and each task gets its own answers, in order."""
    engine = Shouter()
    pair, back = ("en", "pt"), ("pt", "en")
    answers = Together(engine)([(pair, ["a", "b"]), (back, ["c"]), (pair, ["d"])])
    assert [[outcome.text for outcome in outcomes] for outcomes in answers] == [["A", "B"], ["C"], ["D"]]
    assert engine.asked == [(["a", "b", "d"], "en", "pt"), (["c"], "pt", "en")]
    assert {Together(engine): 1}[Together(engine)] == 1, "the calls of one engine share one line"


async def test_t07_very_many_pairs_are_not_all_listed() -> None:
    """Of the pairs of 200 languages the warning names those into the language that was asked for."""
    codes = [f"{one}{two}" for one in "bcdfg" for two in "aeiou"]
    engine = Shouter({(one, other) for one in codes for other in codes} | {("en", "pt"), ("de", "pt")})
    work = FakeWork(TO_PORTUGUESE, batches=[spoken("Salut.", language="fr")])
    document = await STAGE.run(work, engine, FakeEmit(work))
    assert document.warnings[0].message == "There is no model for fr to pt. On offer: de to pt, en to pt."
