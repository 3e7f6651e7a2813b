"""Results, made by hand."""

from collections.abc import Sequence

from shared.messages import Notice, Result, Segment, Word


def spoken(
    text: str, start: float, end: float, *, speaker: str | None = None, translation: str | None = None
) -> Segment:
    """A sentence whose words take the same time each."""
    words = text.split()
    length = (end - start) / max(len(words), 1)
    times = [(start + at * length, start + (at + 1) * length) for at in range(len(words))]
    return Segment(
        index=1,
        start=start,
        end=end,
        text=text,
        words=tuple(Word(text=word, start=at, end=to) for word, (at, to) in zip(words, times, strict=True)),
        speaker=speaker,
        translation=translation,
    )


def result_of(
    segments: Sequence[Segment], *, duration: float, task_id: str = "t1", warnings: Sequence[Notice] = ()
) -> Result:
    """A result with these segments and nothing else."""
    translations = [segment.translation for segment in segments if segment.translation]
    return Result(
        task_id=task_id,
        transcript=" ".join(segment.text for segment in segments),
        language="en",
        language_score=1.0,
        duration=duration,
        coverage=1.0,
        no_speech=not segments,
        segments=tuple(segments),
        translation=" ".join(translations) if translations else None,
        target_language="pt" if translations else None,
        entities=(),
        topics=(),
        summary=None,
        insights=None,
        warnings=tuple(warnings),
    )
