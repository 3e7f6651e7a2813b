"""Sentiment by a word list that knows spoken English: intensifiers, negation, slang."""

from collections.abc import Callable, Sequence

from services.insights.protocol import Passage
from shared.messages import Mood, Sentiment

_CLEAR = 0.05
"""Between plus and minus this the authors of the word list call a text neutral."""


def sentiment(passages: Sequence[Passage], polarity: Callable[[str], float]) -> Sentiment | None:
    """How it sounds, by passage and on the whole; a passage counts by its words. `polarity` gives -1 to 1."""
    if not passages:
        return None
    moods = tuple(
        Mood(segment=each.segment, start=each.start, end=each.end, score=polarity(each.text)) for each in passages
    )
    words = [max(1, len(each.text.split())) for each in passages]
    score = sum(mood.score * count for mood, count in zip(moods, words, strict=True)) / sum(words)
    label = "positive" if score >= _CLEAR else "negative" if score <= -_CLEAR else "neutral"
    return Sentiment(label=label, score=round(score, 4), over_time=moods)
