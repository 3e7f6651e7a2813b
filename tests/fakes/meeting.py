"""Four stages that play a short meeting, sentence by sentence, as fast as a test lets them.

All that a page shows is in it: two speakers, words with times, a translation, entities behind an emoji, topics, a
summary, insights, and text that would be markup if anybody took it for that.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import msgspec

from shared.messages import (
    ActionItem,
    Document,
    Entities,
    Entity,
    Insights,
    InsightsFound,
    KeyPhrase,
    Mood,
    Notice,
    Question,
    Segment,
    Sentiment,
    StageName,
    Step,
    Summary,
    TalkTime,
    Topic,
    Topics,
    Transcript,
    Translation,
)
from shared.settings import BaseSettings
from shared.stage import Emit, Stage, Work
from tests.conftest import wait_until
from tests.fakes.results import spoken
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import working

SENTENCES = (
    ("SPEAKER_00", "🎉 Good morning, Emma Miller of Siemens is here."),
    ("SPEAKER_01", "The shipment to Tokyo is three weeks late, sadly."),
    ("SPEAKER_00", "Who can call <b>them</b> & ask?"),
    ("SPEAKER_01", "I will call Laura Johnson on Thursday."),
)
NAMES = (
    (1, "Emma Miller", "person"),
    (1, "Siemens", "organization"),
    (2, "Tokyo", "location"),
    (4, "Laura Johnson", "person"),
)
WARNING = Notice(code="topics_language", message="The topics <i>may</i> be off.", stage=StageName.NLP)
SECONDS = 2.0
"""Each sentence takes so long."""


class Conductor(FakeEngine):
    """The engine of the stage asr: it hears the next sentence when it is told to. The other stages wait for nothing."""

    def __init__(self) -> None:
        super().__init__(segments=len(SENTENCES), about={"languages": ["en", "pt"], "follows": ["diarize", "channels"]})
        self._turns = threading.Semaphore(0)
        self._tasks = 0

    def go_on(self, sentences: int = len(SENTENCES)) -> None:
        """Let so many sentences be heard."""
        self._turns.release(sentences)

    async def finish(self) -> None:
        """Returns when all tasks are heard to their end, and nothing more is before it is said so."""
        self.go_on(1000)
        await wait_until(lambda: self._tasks == 0, description="the meeting is over")
        self._turns = threading.Semaphore(0)

    def hear(self) -> None:
        """Returns when the next sentence may be heard."""
        self._turns.acquire(timeout=30)

    @contextmanager
    def at_work(self) -> Generator[None]:
        """A task is being heard for the time of the block."""
        self._tasks += 1
        try:
            yield
        finally:
            self._tasks -= 1


def _heard(number: int) -> Segment:
    speaker, text = SENTENCES[number - 1]
    segment = spoken(text, (number - 1) * SECONDS, number * SECONDS, speaker=speaker)
    return msgspec.structs.replace(segment, index=number, language="en")


async def _speak(work: Work, engine: Conductor, emit: Emit) -> Document:
    with engine.at_work():
        for number in range(len(work.written) + 1, engine.segments + 1):
            await work.compute(engine.hear)
            await emit.segments([_heard(number)], done=number / engine.segments)
    text = " ".join(segment.text for segment in work.written)
    duration = len(SENTENCES) * SECONDS
    found = Transcript(transcript=text, language="en", duration=duration, segments=tuple(work.written))
    emit.step(Step.TRANSCRIPTION_COMPLETE, found)
    return Document(segments=len(work.written), duration=duration, language="en", coverage=1.0)


def _named(segment: Segment) -> Segment:
    found: list[Entity] = []
    for number, name, label in NAMES:
        if number == segment.index:
            start = segment.text.index(name)
            entity = Entity(text=name, label=label, start=start, end=start + len(name), score=0.9, segment=number)
            found.append(entity)
    return msgspec.structs.replace(segment, entities=tuple(found))


async def _pass_on(work: Work, emit: Emit, change: Callable[[Segment], Segment]) -> Document:
    async for batch in work.batches():
        await emit.segments([change(segment) for segment in batch])
    return await work.document()


async def _translate(work: Work, _: FakeEngine, emit: Emit) -> Document:
    document = await _pass_on(work, emit, lambda segment: msgspec.structs.replace(segment, translation=_pt(segment)))
    text = " ".join(segment.translation or "" for segment in work.written)
    emit.step(Step.TRANSLATION_COMPLETE, Translation(translation=text, target_language="pt"))
    return msgspec.structs.replace(document, target_language="pt")


def _pt(segment: Segment) -> str:
    return f"Frase {segment.index}."


async def _understand(work: Work, _: FakeEngine, emit: Emit) -> Document:
    emit.step(Step.NER)
    document = await _pass_on(work, emit, _named)
    entities = [entity for segment in work.written for entity in segment.entities]
    emit.step(Step.NER_COMPLETE, Entities(entities=tuple(entities)))
    emit.step(Step.CLASSIFICATION)
    topics = (Topic(label="business", score=0.85), Topic(label="travel", score=0.4))
    emit.step(Step.CLASSIFICATION_COMPLETE, Topics(topics=topics), [WARNING])
    emit.step(Step.SUMMARIZATION)
    summary = "The shipment to Tokyo is late."
    emit.step(Step.SUMMARIZATION_COMPLETE, Summary(summary=summary))
    warnings = (*document.warnings, WARNING)
    return msgspec.structs.replace(document, topics=topics, summary=summary, warnings=warnings)


async def _reflect(work: Work, _: FakeEngine, emit: Emit) -> Document:
    document = await _pass_on(work, emit, lambda segment: segment)
    emit.step(Step.INSIGHTS)
    insights = _insights(work.written)
    emit.step(Step.INSIGHTS_COMPLETE, InsightsFound(insights=insights))
    return msgspec.structs.replace(document, insights=insights)


def _insights(segments: Sequence[Segment]) -> Insights:
    moods = [
        Mood(segment=segment.index, start=segment.start, end=segment.end, score=score)
        for segment, score in zip(segments, (0.6, -0.5, 0.0, 0.1), strict=True)
    ]
    todo = ActionItem(text=SENTENCES[3][1], who="SPEAKER_01", due="Thursday", due_date="2026-12-03", segment=4)
    return Insights(
        key_phrases=(KeyPhrase(text="shipment", score=0.9),),
        questions=(Question(text=SENTENCES[2][1], segment=3),),
        action_items=(todo,),
        sentiment=Sentiment(label="positive", score=0.05, over_time=tuple(moods)),
        words_per_minute=210.0,
        talk_time=(
            TalkTime(speaker="SPEAKER_00", seconds=4.0, words=15),
            TalkTime(speaker="SPEAKER_01", seconds=4.0, words=16),
        ),
    )


_CAST = {
    StageName.ASR: msgspec.structs.replace(STAGES[StageName.ASR], run=_speak),
    StageName.TRANSLATE: msgspec.structs.replace(STAGES[StageName.TRANSLATE], run=_translate),
    StageName.NLP: Stage(name=StageName.NLP, run=_understand),
    StageName.INSIGHTS: Stage(name=StageName.INSIGHTS, run=_reflect),
}


@asynccontextmanager
async def meeting(settings: BaseSettings) -> AsyncGenerator[Conductor]:
    """Workers of all stages, in this process, that play to who conducts."""
    conductor = Conductor()
    translator = FakeEngine(about={"offers": [{"sources": ["en"], "targets": ["pt"]}]})
    engines: dict[StageName, FakeEngine] = {StageName.ASR: conductor, StageName.TRANSLATE: translator}
    async with AsyncExitStack() as workers:
        for name, stage in _CAST.items():
            await workers.enter_async_context(working(stage, engines.get(name, FakeEngine()), settings))
        yield conductor
        await conductor.finish()
