"""Who said what, by the turns of the speakers."""

import time

from shared.messages import Document, Segment, Turn, Word
from shared.result import assemble
from shared.text.speakers import named


def spoken(start: float, end: float, *words: tuple[float, float], channel: int | None = None) -> Segment:
    """A segment from `start` to `end`, with words at those times."""
    timed = tuple(Word(text=str(number), start=first, end=last) for number, (first, last) in enumerate(words))
    return Segment(index=1, start=start, end=end, text="…", words=timed, channel=channel, speaker="SPEAKER_07")


def turn(speaker: str, start: float, end: float, *, channel: int | None = None) -> Turn:
    return Turn(start=start, end=end, speaker=speaker, channel=channel)


TURNS = [turn("A", 1, 3), turn("B", 3, 4), turn("A", 6, 9)]


def test_words_and_sentences_belong_to_whom_they_share_most_time_with() -> None:
    """Each word for itself; the sentence is that of the one who speaks longest in it."""
    (segment,) = named([spoken(1.0, 4.0, (1.0, 2.8), (2.8, 3.4), (3.5, 4.0))], TURNS)
    assert [word.speaker for word in segment.words] == ["A", "B", "B"]
    assert segment.speaker == "A"


def test_who_is_next_to_a_word_has_said_it() -> None:
    """Before the first turn, between two, and behind the last."""
    (segment,) = named([spoken(0.0, 12.0, (0.0, 0.5), (4.1, 4.4), (5.5, 5.9), (11.0, 12.0))], TURNS)
    assert [word.speaker for word in segment.words] == ["A", "B", "A", "A"]


def test_each_channel_has_its_own_turns() -> None:
    """At the same time somebody else may speak on the other; where nobody is known, the name stays."""
    turns = [turn("A", 0, 5, channel=0), turn("B", 0, 5, channel=1)]
    segments = [spoken(1, 2, channel=number) for number in (0, 1, 2)]
    assert [segment.speaker for segment in named(segments, turns)] == ["A", "B", "SPEAKER_07"]
    assert named(segments, []) == tuple(segments)


def test_the_result_has_the_names_that_are_known_at_the_end() -> None:
    """Whatever the segments were called while the recording was still heard."""
    result = assemble("task", [spoken(1, 2, (1, 2))], Document(segments=1, turns=(turn("SPEAKER_00", 0, 3),)))
    assert [segment.speaker for segment in result.segments] == ["SPEAKER_00"]
    assert [word.speaker for word in result.segments[0].words] == ["SPEAKER_00"]


def _seconds_to_name(hours: int) -> float:
    """What it takes the processor to name the words of so many hours, at a turn every two seconds."""
    turns = [turn("AB"[number % 2], 2.0 * number, 2.0 * number + 2) for number in range(1_800 * hours)]
    segments = [spoken(each.start, each.end, *[(each.start, each.end)] * 5) for each in turns]
    begun = time.process_time()
    named(segments, turns)
    return time.process_time() - begun


def test_a_long_recording_takes_no_longer_for_each_of_its_words() -> None:
    """The event loop waits for it: eight hours may take eight times as long as one, not the square of it."""
    assert min(_seconds_to_name(8) for _ in range(2)) < 3.5 * 8 * min(_seconds_to_name(1) for _ in range(3))
