"""Events on the wire, and the ring that holds the latest."""

import pytest

from services.gateway.events import frames
from services.gateway.events.topic import RING_BYTES, RING_FRAMES, Topic
from shared import codec, events
from shared.messages import Step


def encoded(step: Step = Step.NER) -> bytes:
    return codec.encode_json(events.make("t1", step))


def test_a_frame_is_an_id_and_one_data_line() -> None:
    """No `event:` line, so that `onmessage` sees it; the JSON is the log's to the letter."""
    event = encoded()
    made = frames.frame(7, event)
    assert made.data == b"id: 7-0\ndata: " + event + b"\n\n"
    assert made.event == event
    assert not made.terminal


def test_a_frame_outside_of_the_log_has_no_id() -> None:
    """A client must not take it for a place in the log."""
    assert frames.frame(0, encoded()).data.startswith(b"data: ")


@pytest.mark.parametrize("step", Step)
def test_a_frame_knows_whether_it_is_the_last(step: Step) -> None:
    """Streams end behind a terminal step and no other."""
    event = encoded(Step.NER).replace(b'"step":"ner"', b'"step":"%b"' % step.value.encode())
    assert frames.frame(1, event).terminal is step.terminal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7-0", 7),
        ("7", 7),
        (" 7-0 ", 7),
        *((text, 0) for text in (None, "", "abc", "-1", "7-x", "7.5", "٣", "9" * 400)),
    ],
)
def test_where_a_client_stands(text: str | None, number: int) -> None:
    """Whatever a client sends as its last id is a number or the start."""
    assert frames.position(text) == number


def numbered(number: int, size: int = 10) -> frames.Frame:
    return frames.Frame(number, bytes(size), terminal=False)


def numbers(topic: Topic, after: int) -> list[int] | None:
    found = topic.after(after)
    return None if found is None else [frame.number for frame in found]


def test_the_ring_answers_what_it_holds_and_admits_what_it_does_not() -> None:
    """None, not an empty list, when something is missing between the client and the ring."""
    topic = Topic("t1")
    assert numbers(topic, 5) == []
    for number in (4, 5, 6):
        topic.add(numbered(number))
    assert numbers(topic, 2) is None
    assert numbers(topic, 3) == [4, 5, 6]
    assert numbers(topic, 5) == [6]
    assert numbers(topic, 6) == []
    assert numbers(topic, 9) == []


def test_the_ring_never_has_a_gap() -> None:
    """A number that comes again changes nothing; one that skips starts the ring anew."""
    topic = Topic("t1")
    for number in (1, 2, 2, 1, 5, 6):
        topic.add(numbered(number))
    assert [frame.number for frame in topic.frames] == [5, 6]
    assert topic.bytes == 20


def test_the_ring_is_bounded_in_number_and_in_bytes() -> None:
    """Its newest frame it holds in any case."""
    topic = Topic("t1")
    for number in range(1, RING_FRAMES * 2):
        topic.add(numbered(number))
    assert len(topic.frames) == RING_FRAMES
    for number in range(RING_FRAMES * 2, RING_FRAMES * 2 + 20):
        topic.add(numbered(number, RING_BYTES // 4))
        assert topic.bytes <= RING_BYTES
    topic.add(numbered(RING_FRAMES * 2 + 20, RING_BYTES * 2))
    assert len(topic.frames) == 1
    assert topic.bytes == RING_BYTES * 2
