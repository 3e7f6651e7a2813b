"""The result document: all that the last stage of a route has written, as one."""

from collections.abc import Sequence

from shared.events import joined, said, translated
from shared.messages import Document, Result, Segment
from shared.text.speakers import named


def assemble(task_id: str, segments: Sequence[Segment], document: Document) -> Result:
    """The result of a task from its enriched segments and the end record."""
    translation = joined(map(translated, segments))
    return Result(
        task_id=task_id,
        transcript=joined(map(said, segments)),
        language=document.language,
        language_score=document.language_score,
        duration=document.duration,
        coverage=document.coverage,
        no_speech=not segments,
        segments=named(segments, document.turns),
        translation=translation or None,
        target_language=document.target_language,
        entities=tuple(entity for segment in segments for entity in segment.entities),
        topics=document.topics,
        summary=document.summary,
        insights=document.insights,
        warnings=document.warnings,
    )
