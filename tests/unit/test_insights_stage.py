"""The insights stage, with an engine that reads little; and what is told without one."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import pytest

from services.insights._due import resolve
from services.insights._pace import talk_time, words_per_minute
from services.insights._sentiment import sentiment
from services.insights.engine import make_engine
from services.insights.protocol import Findings, Passage, Writer
from services.insights.settings import Settings
from services.insights.stage import run
from shared.errors import SettingsError
from shared.messages import (
    Document,
    Insights,
    InsightsFound,
    KeyPhrase,
    Notice,
    Options,
    Question,
    Segment,
    Step,
    TalkTime,
    Turn,
    Word,
)
from tests.fakes.stage import Died, FakeEmit, FakeWork


class FirstWordEngine:
    """Takes the first word of each passage for a key phrase, and 'Why' for a question."""

    def __init__(self) -> None:
        self.languages: tuple[str, ...] = ("en",)
        self.passages: Sequence[Passage] = ()
        self.today: date | None = None
        self.writer: Writer | None = None

    def load(self) -> None:
        """There is nothing to load."""

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def describe(self) -> dict[str, Any]:
        return {}

    def read(self, passages: Sequence[Passage], *, today: date) -> Findings:
        self.passages, self.today = passages, today
        return Findings(
            key_phrases=tuple(KeyPhrase(text=each.text.split()[0], score=1.0) for each in passages),
            questions=tuple(Question(text="Why?", segment=each.segment) for each in passages if "Why" in each.text),
        )


def said(*texts: str, language: str | None = "en", translation: str | None = None) -> list[Segment]:
    return [
        Segment(index=index, start=index - 1, end=index, text=text, language=language, translation=translation)
        for index, text in enumerate(texts, 1)
    ]


def spoken(start: float, end: float, text: str, speaker: str | None = None, words: tuple[Word, ...] = ()) -> Segment:
    return Segment(index=1, start=start, end=end, text=text, speaker=speaker, words=words)


async def outcome(work: FakeWork, engine: FirstWordEngine | None = None) -> tuple[Document, Insights | None, FakeEmit]:
    emit = FakeEmit(work)
    document = await run(work, engine or FirstWordEngine(), emit)
    return document, document.insights, emit


async def test_segments_pass_unchanged_and_the_document_gains_insights() -> None:
    """What the stages before wrote is forwarded; insights come with their step and in the document."""
    segments = said("Anna asks. Why not?", "It rains.", translation="…")
    earlier = Notice(code="early", message="…")
    given = Document(segments=2, language="en", summary="Rain.", warnings=(earlier,))
    document, insights, emit = await outcome(FakeWork(batches=[segments[:1], segments[1:]], document=given))

    assert emit.emitted == segments
    assert [step for step, *_ in emit.steps] == [Step.INSIGHTS, Step.INSIGHTS_COMPLETE]
    assert emit.partial(Step.INSIGHTS_COMPLETE) == InsightsFound(insights=insights)
    assert insights is not None
    assert [phrase.text for phrase in insights.key_phrases] == ["Anna", "It"]
    assert insights.questions == (Question(text="Why?", segment=1),)
    assert (document.summary, document.warnings) == ("Rain.", (earlier,))


@pytest.mark.parametrize("batches", [[], [said("", " ")]])
async def test_a02_without_text_there_are_no_insights(batches: list[list[Segment]]) -> None:
    """An empty transcript has its steps, None, and no engine call."""
    work = FakeWork(batches=batches)
    document, insights, emit = await outcome(work)
    assert insights is None
    assert emit.partial(Step.INSIGHTS_COMPLETE) == InsightsFound(insights=None)
    assert (work.computed, document.warnings) == ([], ())


async def test_text_in_an_unknown_language_has_what_needs_no_language() -> None:
    """Pace, talk time and marked questions are there; a warning says what is missing and what to do."""
    work = FakeWork(batches=[said("Está aqui? Sim. E tu?!", "Não.", language="pt")])
    document, insights, _ = await outcome(work)
    assert insights is not None
    assert work.computed == []
    assert [question.text for question in insights.questions] == ["Está aqui?", "E tu?"]
    assert insights.words_per_minute == 180
    assert (insights.key_phrases, insights.action_items, insights.sentiment) == ((), (), None)
    (warning,) = document.warnings
    assert warning.code == "insights_language"
    assert "translation to en" in warning.message


async def test_an_english_translation_is_read_instead() -> None:
    """Speech in another language is understood through its translation, without a warning."""
    given = Document(segments=1, language="pt", target_language="en")
    work = FakeWork(batches=[said("Está a chover.", language="pt", translation="It rains.")], document=given)
    engine = FirstWordEngine()
    document, _, _ = await outcome(work, engine)
    assert [passage.text for passage in engine.passages] == ["It rains."]
    assert document.warnings == ()


async def test_the_language_of_the_document_stands_for_segments_without_one() -> None:
    """A segment that names no language is taken to be in that of the recording, or of the request."""
    segments = said("Es regnet.", language=None)
    _, _, from_document = await outcome(FakeWork(batches=[segments], document=Document(segments=1, language="de")))
    _, _, from_options = await outcome(FakeWork(Options(language="de"), batches=[segments]))
    for emit in (from_document, from_options):
        assert [notice.code for notice in emit.steps[-1][2]] == ["insights_language"]


async def test_relative_dates_count_from_the_day_of_the_submission() -> None:
    """Another attempt, on another day, finds the same dates."""
    engine = FirstWordEngine()
    work = FakeWork(batches=[said("Hello.")])
    await outcome(work, engine)
    assert engine.today == work.submitted.date()


async def test_another_attempt_reads_the_whole_text() -> None:
    """After a crash in between, insights are of all segments, those of the first attempt too."""
    segments = said("One.", "Two.", "Three.")
    first = FakeWork(batches=[segments[:2], segments[2:]])
    with pytest.raises(Died):
        await run(first, FirstWordEngine(), FakeEmit(first, dies_after=2))
    _, insights, emit = await outcome(FakeWork(batches=[segments], written=first.written))
    assert [segment.index for segment in emit.emitted] == [3]
    assert insights is not None
    assert [phrase.text for phrase in insights.key_phrases] == ["One.", "Two.", "Three."]


def test_an_unknown_engine_is_refused_with_the_choices() -> None:
    """The error names the environment variable and what it can be."""
    with pytest.raises(SettingsError, match=r"^INSIGHTS_ENGINE: .*'oracle'.* embedded, llm$"):
        make_engine(Settings(insights_engine="oracle"))


def test_pace_counts_only_time_in_which_somebody_speaks() -> None:
    """Pauses do not slow speech down, and two who speak at once take the time of one."""
    assert words_per_minute([spoken(0, 10, "one two three"), spoken(50, 60, "four - five, six")]) == 18
    assert words_per_minute([spoken(0, 10, "one two three"), spoken(5, 10, "four five six")]) == 36
    assert words_per_minute([spoken(0, 0, "never spoken")]) == 0


def test_words_are_counted_as_the_recogniser_counts_them() -> None:
    """Where word times exist they decide, for languages without blanks."""
    words = tuple(Word(text=text, start=0, end=1) for text in ("今日", "は", "雨"))
    assert words_per_minute([spoken(0, 60, "今日は雨", words=words)]) == 3


async def test_speakers_are_those_that_are_known_at_the_end() -> None:
    """Talk time and what the engine reads go by the turns of the end record, whatever the segments were called before;
    those are forwarded as they are."""
    segments = [spoken(0, 2, "a b", "SPEAKER_03")]
    document = Document(segments=1, turns=(Turn(start=0, end=2, speaker="SPEAKER_00"),))
    document, insights, emit = await outcome(FakeWork(batches=[segments], document=document))
    assert insights is not None
    assert [share.speaker for share in insights.talk_time] == ["SPEAKER_00"]
    assert emit.emitted == segments
    assert len(document.turns) == 1


def test_talk_time_is_told_by_speaker() -> None:
    """Seconds and words of each, who spoke longest first; None where speakers are not told apart."""
    segments = [spoken(0, 2, "a b", "A"), spoken(2, 7, "c", "B"), spoken(7, 8.5, "d e", "A")]
    assert talk_time(segments) == (
        TalkTime(speaker="B", seconds=5, words=1),
        TalkTime(speaker="A", seconds=3.5, words=4),
    )
    assert talk_time([spoken(0, 0, "never spoken")]) == ()
    assert talk_time([spoken(0, 2, "a b")]) == (TalkTime(speaker=None, seconds=2, words=2),)


def test_u09_talk_time_is_told_by_channel() -> None:
    """Two people on two channels are two, also where nobody told speakers apart."""
    segments = [msgspec.structs.replace(spoken(start, start + 2, "a b"), channel=start % 2) for start in (0, 1, 2)]
    assert talk_time(segments) == (
        TalkTime(speaker=None, seconds=4, words=4, channel=0),
        TalkTime(speaker=None, seconds=2, words=2, channel=1),
    )


def test_sentiment_weighs_passages_by_their_words() -> None:
    """One long complaint outweighs a short thanks; each passage keeps its own score and time."""
    passages = [
        Passage(segment=1, start=0, end=1, text="good"),
        Passage(segment=2, start=1, end=5, text="bad bad bad"),
    ]
    found = sentiment(passages, lambda text: 1.0 if text == "good" else -1.0)
    assert found is not None
    assert (found.label, found.score) == ("negative", -0.5)
    assert [(mood.segment, mood.end, mood.score) for mood in found.over_time] == [(1, 1, 1.0), (2, 5, -1.0)]
    assert sentiment([], lambda _: 0.0) is None


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("by Friday", "2024-05-17"),
        ("on Wednesday", "2024-05-22"),
        ("next Friday", "2024-05-24"),
        ("tomorrow at 3 pm", "2024-05-16"),
        ("for tomorrow", "2024-05-16"),
        ("on Monday morning", "2024-05-20"),
        ("by the end of the week", "2024-05-17"),
        ("by the end of next month", "2024-06-30"),
        ("by the end of February", "2025-02-28"),
        ("by the end of the year", "2024-12-31"),
        ("within two weeks", "2024-05-29"),
        ("by March 3rd", "2025-03-03"),
        ("before lunch", None),
        ("next week", None),
        ("in December", None),
        ("in 2025", None),
        ("as soon as possible", None),
    ],
)
def test_a_date_follows_only_from_words_that_mean_a_day(due: str, expected: str | None) -> None:
    """Said on Wednesday, 15 May 2024. What names a week, a month or a meal has no date."""
    assert resolve(due, today=date(2024, 5, 15)) == expected
