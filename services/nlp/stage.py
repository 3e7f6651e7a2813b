"""Entities while segments come in; topics and a summary once the text is whole."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from services.nlp._masking import Span
from services.nlp._redaction import kinds_to_find, redacted, withheld_notices
from services.nlp._source import Source, notice, reads
from services.nlp.protocol import Engine, Found, Wanted
from shared.messages import (
    Document,
    Entities,
    Entity,
    Notice,
    Options,
    Segment,
    StageName,
    Step,
    Summary,
    Topic,
    Topics,
)
from shared.stage import Emit, Stage, Work

SEGMENTS_PER_CALL = 32
"""Of all tasks that want entities at the time. Bounds one turn on the engine's thread, which others wait for: about a
quarter of a second."""

WORDS_PER_CALL = 3_000
"""Of all tasks that want topics, or a summary, at the time: half an hour of speech. A longer text has a call for
itself."""


async def _find(work: Work, engine: Engine, wanted: Wanted) -> Sequence[Sequence[Found]]:
    return await work.share(engine.entities, wanted, weight=len(wanted.texts), most=SEGMENTS_PER_CALL)


async def run(work: Work, engine: Engine, emit: Emit) -> Document:
    """Adds `entities` to each segment, `topics` and `summary` to the document, and a warning for what was left out."""
    labels, warnings = _entity_labels(work.options, engine)
    emit.step(Step.NER)
    if work.options.redact:
        await _redact(work, engine, emit, labels)
    async for batch in work.batches():
        for part in _parts(batch):
            await emit.segments(await _with_entities(work, engine, part, labels))
    document = await work.document()
    segments = tuple(segment for segment in work.written if segment.text.strip())

    warnings += _left_out(segments, engine, work.options) + withheld_notices(work.written)
    found = tuple(chain.from_iterable(segment.entities for segment in work.written))
    read = [segment for segment in segments if labels and _is_read(segment, engine, work.options)]
    counted = Entities(entities=found, words=_words(segments), words_read=_words(read))
    emit.step(Step.NER_COMPLETE, counted, warnings)

    emit.step(Step.CLASSIFICATION)
    source = Source(segments, document, engine.topic_languages, work.options)
    topics: tuple[Topic, ...] = ()
    if source.texts:
        wanted = _distinct(work.options.topics) or engine.default_topics
        asked = Wanted(source.texts, wanted)
        topics = tuple(await work.share(engine.topics, asked, weight=source.words, most=WORDS_PER_CALL))
    warnings += (notices := source.notices(code="topics_language", subject="The topics"))
    emit.step(Step.CLASSIFICATION_COMPLETE, Topics(topics=topics), notices)

    emit.step(Step.SUMMARIZATION)
    source = Source(segments, document, engine.summary_languages, work.options)
    summary: str | None = None
    if source.texts:
        summary = await work.share(engine.summaries, source.texts, weight=source.words, most=WORDS_PER_CALL)
    warnings += (notices := source.notices(code="summary_language", subject="The summary"))
    emit.step(Step.SUMMARIZATION_COMPLETE, Summary(summary=summary), notices)

    return msgspec.structs.replace(document, topics=topics, summary=summary, warnings=(*document.warnings, *warnings))


async def _redact(work: Work, engine: Engine, emit: Emit, labels: Sequence[str]) -> None:
    """Takes in the whole text and hands it on masked, all of it at once: an attempt either has done so or has not."""
    wanted = kinds_to_find(work.options.redact, engine)
    segments = list(chain.from_iterable([batch async for batch in work.batches()]))
    enriched: list[Segment] = []
    found: list[Sequence[Span] | None] = []
    translated: list[Sequence[Span]] = []
    target = reads(engine.entity_languages, work.options.target_language)
    for part in _parts(segments):
        enriched += await _with_entities(work, engine, part, labels)
        texts = [segment.text if not wanted or _is_read(segment, engine, work.options) else None for segment in part]
        found += await _spans(work, engine, texts, wanted)
        translations = [(segment.translation or "") if target else "" for segment in part]
        translated += [spans or () for spans in await _spans(work, engine, translations, wanted)]
    whole = await work.compute(redacted, enriched, work.options.redact, found=found, translated=translated)
    await emit.segments(whole)


async def _spans(
    work: Work, engine: Engine, texts: Sequence[str | None], kinds: Sequence[str]
) -> list[Sequence[Span] | None]:
    """What is to be masked in each text; None for one that was not read."""
    if not kinds or not any(texts):
        return [None if text is None else () for text in texts]
    found = await _find(work, engine, Wanted([text or "" for text in texts], kinds))
    return [
        None if text is None else [Span(each.start, each.end, each.label) for each in of_text]
        for text, of_text in zip(texts, found, strict=True)
    ]


def _parts(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    for start in range(0, len(segments), SEGMENTS_PER_CALL):
        yield segments[start : start + SEGMENTS_PER_CALL]


async def _with_entities(
    work: Work, engine: Engine, segments: Sequence[Segment], labels: Sequence[str]
) -> Sequence[Segment]:
    readable = [segment for segment in segments if segment.text.strip() and _is_read(segment, engine, work.options)]
    if not readable or not labels:
        return segments
    texts = [segment.text for segment in readable]
    found = await _find(work, engine, Wanted(texts, labels))
    entities = {
        segment.index: tuple(_entity(segment, each) for each in of_segment)
        for segment, of_segment in zip(readable, found, strict=True)
    }
    return [msgspec.structs.replace(segment, entities=entities.get(segment.index, ())) for segment in segments]


def _is_read(segment: Segment, engine: Engine, options: Options) -> bool:
    return reads(engine.entity_languages, segment.language or options.language)


def _words(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text.split()) for segment in segments)


def _entity(segment: Segment, found: Found) -> Entity:
    return Entity(
        text=segment.text[found.start : found.end],
        label=found.label,
        start=found.start,
        end=found.end,
        score=found.score,
        segment=segment.index,
    )


def _entity_labels(options: Options, engine: Engine) -> tuple[Sequence[str], tuple[Notice, ...]]:
    """The labels to look for, each in the form in which it was first given, and a warning about the others."""
    wanted = _distinct(options.entity_labels) or engine.default_entity_labels
    unknown = [label for label in wanted if not engine.finds(label)]
    if not unknown:
        return wanted, ()
    message = (
        f"Entities of these kinds cannot be found here: {', '.join(unknown)}. "
        f"Choose from: {', '.join(engine.entity_labels)}."
    )
    return [label for label in wanted if label not in unknown], (
        notice(code="unsupported_entity_label", message=message),
    )


def _left_out(segments: Sequence[Segment], engine: Engine, options: Options) -> tuple[Notice, ...]:
    """A warning when entities were not looked for in some segments, because of their language.

    A translation is no way round: offsets count in the text that was spoken.
    """
    languages = [segment.language or options.language for segment in segments]
    foreign = sorted({each for each in languages if each and not reads(engine.entity_languages, each)})
    if not foreign:
        return ()
    message = (
        f"Entities are found in text of these languages: {', '.join(sorted(engine.entity_languages))}. "
        f"Text in {', '.join(foreign)} was left out."
    )
    return (notice(code="entities_language", message=message),)


def _distinct(labels: Iterable[str]) -> Sequence[str]:
    """The labels without blanks and without those that differ only in case from an earlier one."""
    distinct: dict[str, str] = {}
    for label in map(str.strip, labels):
        if label:
            distinct.setdefault(label.casefold(), label)
    return list(distinct.values())


STAGE = Stage(name=StageName.NLP, run=run)
