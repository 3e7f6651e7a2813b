"""Four stages without models, for tests of the plumbing: a speaker who counts, and three who pass on what they hear."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shared.events import joined, said, translated
from shared.messages import (
    Document,
    Entities,
    Insights,
    InsightsFound,
    Segment,
    StageName,
    Step,
    Summary,
    Topics,
    Transcript,
    TranscriptPart,
    Translation,
    TranslationPart,
    Turn,
)
from shared.stage import Emit, PartialText, Stage, Work

Do = Callable[[int], None]


def nothing(_: int) -> None:
    """What a fake engine does with a segment when a test wants nothing of it."""


class FakeEngine:
    """An engine whose whole work on segment number n is `do(n)`, on the engine's thread. `about` is what it tells of
    itself besides its name."""

    def __init__(self, do: Do = nothing, *, segments: int = 3, about: Mapping[str, Any] | None = None) -> None:
        self.do = do
        self.segments = segments
        self._about = dict(about or {})

    def do_all(self, numbers: Sequence[int]) -> None:
        """The work on a batch."""
        for number in numbers:
            self.do(number)

    def load(self) -> None:
        """There is nothing to load."""

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def describe(self) -> dict[str, Any]:
        return {"engine": "fake"} | self._about


async def speak(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Says `engine.segments` sentences, one a second. Where speakers are asked for, they turn out to be two."""
    diarize = work.options.diarize
    for number in range(len(work.written) + 1, engine.segments + 1):
        await work.compute(engine.do, number)
        segment = Segment(index=number, start=number - 1, end=number, text=f"Sentence {number}.", language="en")
        if diarize:
            segment = msgspec.structs.replace(segment, speaker="SPEAKER_00")
        await emit.segments([segment], done=number / engine.segments)
    text = " ".join(segment.text for segment in work.written)
    duration = float(engine.segments)
    emit.step(
        Step.TRANSCRIPTION_COMPLETE,
        Transcript(transcript=text, language="en", duration=duration, segments=tuple(work.written)),
    )
    turns = [
        Turn(start=segment.start, end=segment.end, speaker=f"SPEAKER_0{place % 2}")
        for place, segment in enumerate(work.written)
    ]
    return Document(
        segments=len(work.written),
        duration=duration,
        language="en",
        coverage=1.0,
        turns=tuple(turns) if diarize else (),
    )


Change = Callable[[Segment], Segment]


def _as_it_is(segment: Segment) -> Segment:
    return segment


def _translated(segment: Segment) -> Segment:
    return msgspec.structs.replace(segment, translation=segment.text.replace("Sentence", "Frase"))


async def _pass_on(work: Work, engine: FakeEngine, emit: Emit, change: Change = _as_it_is) -> Document:
    async for batch in work.batches():
        await work.compute(engine.do_all, [segment.index for segment in batch])
        await emit.segments([change(segment) for segment in batch])
    return await work.document()


async def translate(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Says it again."""
    document = await _pass_on(work, engine, emit, _translated)
    text = joined(map(translated, work.written))
    emit.step(Step.TRANSLATION_COMPLETE, Translation(translation=text, target_language=work.options.target_language))
    return document


async def understand(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Finds nothing, in all the steps that take it."""
    emit.step(Step.NER)
    document = await _pass_on(work, engine, emit)
    emit.step(Step.NER_COMPLETE, Entities(entities=()))
    emit.step(Step.CLASSIFICATION)
    await work.compute(engine.do, 0)
    emit.step(Step.CLASSIFICATION_COMPLETE, Topics(topics=()))
    emit.step(Step.SUMMARIZATION)
    await work.compute(engine.do, 0)
    emit.step(Step.SUMMARIZATION_COMPLETE, Summary(summary="Sentences."))
    return document


async def reflect(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Has no insight."""
    document = await _pass_on(work, engine, emit)
    emit.step(Step.INSIGHTS)
    await work.compute(engine.do, 0)
    found = Insights(key_phrases=(), questions=(), action_items=(), sentiment=None, words_per_minute=0.0, talk_time=())
    emit.step(Step.INSIGHTS_COMPLETE, InsightsFound(insights=found))
    return document


STAGES = {
    StageName.ASR: Stage(
        name=StageName.ASR,
        run=speak,
        partial=PartialText(
            step=Step.TRANSCRIPTION,
            piece=said,
            part=lambda text, segment: TranscriptPart(transcript=text, segment=segment),
        ),
    ),
    StageName.TRANSLATE: Stage(
        name=StageName.TRANSLATE,
        run=translate,
        partial=PartialText(
            step=Step.TRANSLATION,
            piece=translated,
            part=lambda text, segment: TranslationPart(translation=text, segment=segment),
        ),
    ),
    StageName.NLP: Stage(name=StageName.NLP, run=understand),
    StageName.INSIGHTS: Stage(name=StageName.INSIGHTS, run=reflect),
}
