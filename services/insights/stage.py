"""Insights: what a listener would note down, once everything is said."""

import re
from collections.abc import Collection, Sequence
from datetime import date

import msgspec

from services.insights._pace import talk_time, words_per_minute
from services.insights.protocol import Engine, Findings, Passage, Unanswered, Writer
from shared.messages import (
    Document,
    Insights,
    InsightsFound,
    Notice,
    Question,
    Segment,
    StageName,
    Step,
)
from shared.stage import Emit, Stage, Work
from shared.text.speakers import named

_MARKED_QUESTION = re.compile(r"[^.!?…。！？؟¿]*[?？؟]+")


async def run(work: Work, engine: Engine, emit: Emit) -> Document:
    """Forwards the segments as they are and adds `insights` to the document: None when there is no text."""
    async for batch in work.batches():
        await emit.segments(batch)
    document = await work.document()
    emit.step(Step.INSIGHTS)

    segments = [segment for segment in named(work.written, document.turns) if segment.text.strip()]
    insights: Insights | None = None
    warnings: tuple[Notice, ...] = ()
    if segments:
        language = document.language or work.options.language
        passages, foreign = _passages(segments, document, engine.languages, language)
        today = work.submitted.date()
        findings = await work.compute(engine.read, passages, today=today) if passages else Findings()
        written = await _written(engine.writer, segments, today)
        if isinstance(written, Findings):
            insights = _insights(segments, _together(findings, written), (), source="llm")
        else:
            insights = _insights(segments, findings, foreign)
            warnings = (*_unanswered(written), *_warnings(engine.languages, foreign, language))
    emit.step(Step.INSIGHTS_COMPLETE, InsightsFound(insights=insights), warnings)
    return msgspec.structs.replace(document, insights=insights, warnings=(*document.warnings, *warnings))


async def _written(writer: Writer | None, segments: Sequence[Segment], today: date) -> Findings | Unanswered | None:
    """What the language model finds, or why it does not; None where there is no such model."""
    if writer is None:
        return None
    passages = [_passage(segment, segment.text) for segment in segments]
    try:
        return await writer.ask(passages, today=today)
    except Unanswered as unanswered:
        return unanswered


def _together(local: Findings, written: Findings) -> Findings:
    """What the language model has written, and of what was read locally the course of the sentiment."""
    sentiment = written.sentiment
    if sentiment and local.sentiment:
        sentiment = msgspec.structs.replace(sentiment, over_time=local.sentiment.over_time)
    chapters = written.chapters or local.chapters
    return msgspec.structs.replace(written, sentiment=sentiment, chapters=chapters)


def _unanswered(unanswered: Unanswered | None) -> tuple[Notice, ...]:
    if unanswered is None:
        return ()
    message = f"These insights were made without the language model, because {unanswered.reason}."
    return (Notice(code="insights_local", message=message, stage=StageName.INSIGHTS),)


def _passage(segment: Segment, text: str) -> Passage:
    return Passage(segment=segment.index, start=segment.start, end=segment.end, text=text, speaker=segment.speaker)


def _passages(
    segments: Sequence[Segment], document: Document, languages: Collection[str], language: str | None
) -> tuple[list[Passage], list[Segment]]:
    """What the engine can read, in the original or translated, and the segments that it cannot."""
    passages: list[Passage] = []
    foreign: list[Segment] = []
    translated = document.target_language is not None and _reads(languages, document.target_language)
    for segment in segments:
        text = segment.text
        if not _reads(languages, segment.language or language):
            if not (translated and segment.translation):
                foreign.append(segment)
                continue
            text = segment.translation
        passages.append(_passage(segment, text))
    return passages, foreign


def _insights(
    segments: Sequence[Segment], findings: Findings, foreign: Sequence[Segment], *, source: str = "local"
) -> Insights:
    """The findings, and what can be told without the language: pace, talk time, and questions by their mark."""
    marked = (
        Question(text=question.strip(), segment=segment.index)
        for segment in foreign
        for question in _MARKED_QUESTION.findall(segment.text)
        if any(map(str.isalnum, question))
    )
    return Insights(
        key_phrases=findings.key_phrases,
        questions=tuple(sorted((*findings.questions, *marked), key=lambda question: question.segment)),
        action_items=findings.action_items,
        sentiment=findings.sentiment,
        words_per_minute=words_per_minute(segments),
        talk_time=talk_time(segments),
        chapters=findings.chapters,
        source=source,
    )


def _warnings(languages: Collection[str], foreign: Sequence[Segment], language: str | None) -> tuple[Notice, ...]:
    if not foreign:
        return ()
    known = ", ".join(sorted(languages))
    spoken = ", ".join(sorted({segment.language or language or "?" for segment in foreign}))
    message = (
        f"Key phrases, action items and sentiment are read from {known} only; of the text in {spoken} there are but "
        f"pace, talk time and marked questions. Ask for a translation to {known} to have that read."
    )
    return (Notice(code="insights_language", message=message, stage=StageName.INSIGHTS),)


def _reads(languages: Collection[str], language: str | None) -> bool:
    """Whether an engine for `languages` may be given text in `language`; text of unknown language may be tried."""
    return not languages or language is None or language.partition("-")[0].lower() in languages


STAGE = Stage(name=StageName.INSIGHTS, run=run)
