"""How fast and how much was spoken: what can be told of any language."""

from collections.abc import Sequence

from shared.messages import Segment, TalkTime


def words_per_minute(segments: Sequence[Segment]) -> float:
    """Words in a minute of speech; time in which nobody speaks does not count, nor twice where two speak at once.

    0 for text that was never spoken.
    """
    seconds = _covered(segments)
    return round(60 * sum(map(_words, segments)) / seconds, 1) if seconds else 0.0


def talk_time(segments: Sequence[Segment]) -> tuple[TalkTime, ...]:
    """Seconds and words of each speaker on each channel, who spoke longest first. Nobody for text that was never
    spoken."""
    if not _covered(segments):
        return ()
    by_speaker: dict[tuple[str | None, int | None], list[Segment]] = {}
    for segment in segments:
        by_speaker.setdefault((segment.speaker, segment.channel), []).append(segment)
    shares = (
        TalkTime(speaker=speaker, seconds=round(_covered(spoken), 2), words=sum(map(_words, spoken)), channel=channel)
        for (speaker, channel), spoken in by_speaker.items()
    )
    return tuple(sorted(shares, key=lambda share: -share.seconds))


def _words(segment: Segment) -> int:
    """As the recogniser counted them, else what stands between blanks and holds a letter or digit."""
    return len(segment.words) or sum(any(map(str.isalnum, word)) for word in segment.text.split())


def _covered(segments: Sequence[Segment]) -> float:
    """Seconds that at least one of the segments covers."""
    covered = 0.0
    until = 0.0
    for segment in sorted(segments, key=lambda segment: segment.start):
        covered += max(0.0, segment.end - max(segment.start, until))
        until = max(until, segment.end)
    return covered
