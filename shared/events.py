"""The event log of a task, and the messages on its channel.

An event is encoded once, by the attempt that caused it. The commit script numbers it, appends it to the log and
publishes it with the number in front. Numbers have no gaps, so that a reader of the channel knows at once whether it
has missed one.

A partial event tells the whole text so far. The log keeps it without: `TextSoFar` puts it back from the segments.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from shared import codec, keys
from shared.codec import encode_text, raw_json
from shared.messages import NO_PARTIAL, Event, Failure, Message, Notice, Segment, State, Step
from shared.redis import Redis
from shared.steps import STEPS, progress_of

_AT_ONCE = 256


class Piece(NamedTuple):
    """What a segment adds to a text, and the white space before it. Without a text it adds nothing."""

    gap: str
    text: str | None


def said(segment: Segment) -> Piece:
    """What a segment adds to the transcript."""
    return Piece(segment.gap, segment.text)


def translated(segment: Segment) -> Piece:
    """What it adds to the translation."""
    gap = segment.gap if segment.translation_gap is None else segment.translation_gap
    return Piece(gap, segment.translation)


def _transcript(part: bytes) -> Piece:
    return said(codec.decode_transcript_part(part).segment)


def _translation(part: bytes) -> Piece:
    return translated(codec.decode_translation_part(part).segment)


_GAPS = {
    b'"partial_result":{"transcript":null,"segment":': _transcript,
    b'"partial_result":{"translation":null,"segment":': _translation,
}
"""Where the log leaves out the text so far, and what a segment adds to it. Text of a client cannot look like this: its
quotation marks are escaped."""
_CANCELLED = "Processing was cancelled"
_PREFIX = b'{"id":"'
_STEP = b'"step":"'
_TERMINAL = frozenset(step.value.encode() for step in Step if step.terminal)
_WHOLE = _TERMINAL | {step.value.encode() for step in Step if step is Step.STARTED or step.endswith("_complete")}


def make(
    task_id: str,
    step: Step,
    *,
    partial: Message | None = None,
    done: float | None = None,
    warnings: tuple[Notice, ...] = (),
) -> Event:
    """The event for `step`, stamped now. `done` is how far the step has come, 0 to 1."""
    return Event(
        task_id=task_id,
        step=step,
        progress=progress_of(step, done),
        message=STEPS[step].message,
        timestamp=datetime.now(UTC),
        partial_result=NO_PARTIAL if partial is None else raw_json(partial),
        warnings=warnings,
    )


def make_end(task_id: str, state: State, failure: Failure | None = None) -> str:
    """The JSON of the event that ends a task without a result, for a failure or because it was cancelled; `close.lua`
    puts the progress in."""
    return encode_text(
        Event(
            task_id=task_id,
            step=Step(state.value),
            progress=-1,
            message=failure.message if failure else _CANCELLED,
            timestamp=datetime.now(UTC),
            error=failure,
        )
    )


def split(payload: bytes) -> tuple[int, bytes]:
    """A channel message taken apart: the event's number and its JSON as it stands in the log."""
    end = payload.index(b"-0", len(_PREFIX))
    return int(payload[len(_PREFIX) : end]), b"{" + payload[end + 4 :]


async def read(redis: Redis, task_id: str, *, after: int, count: int) -> list[tuple[int, bytes]]:
    """Up to `count` events behind number `after`, in order: their numbers and their JSON as the log keeps it."""
    entries = await redis.xrange(keys.events(task_id), f"({after}-0", count=count)
    return [(int(entry_id.partition(b"-")[0]), fields[b"event"]) for entry_id, fields in entries]


class TextSoFar:
    """Completes partial events from the log. It has to see all events of a task, from the first."""

    def __init__(self) -> None:
        self.number = 0
        """Of the last event seen."""
        self._texts: dict[bytes, list[Piece]] = {}

    def complete(self, number: int, event: bytes) -> bytes:
        """The event as it was published."""
        self.number = number
        for gap, read_text in _GAPS.items():
            before, found, behind = event.partition(gap)
            if found:
                texts = self._texts.setdefault(gap, [])
                texts.append(read_text(codec.decode_event(event).partial_result))
                return before + gap.replace(b"null", codec.encode_json(joined(texts)), 1) + behind
        return event


def lacks_text(event: bytes) -> bool:
    """Whether this is a partial event that the log keeps without its text."""
    return any(gap in event for gap in _GAPS)


def joined(pieces: Iterable[Piece]) -> str:
    """The text that the pieces make together."""
    given = [piece for piece in pieces if piece.text]
    return "".join(f"{piece.gap}{piece.text}" if number else piece.text or "" for number, piece in enumerate(given))


async def history(redis: Redis, task_id: str) -> AsyncIterator[tuple[int, bytes]]:
    """All events of a task so far as they were published: their numbers and their JSON."""
    texts = TextSoFar()
    while entries := await read(redis, task_id, after=texts.number, count=_AT_ONCE):
        for number, event in entries:
            yield number, texts.complete(number, event)


def is_terminal(event: bytes) -> bool:
    """Whether the JSON of an event is that of a task's last one."""
    return _step(event) in _TERMINAL


def is_whole(event: bytes) -> bool:
    """Whether the JSON of an event says that processing has started, that a step is complete, or that the task is."""
    return _step(event) in _WHOLE


def _step(event: bytes) -> bytes:
    start = event.index(_STEP) + len(_STEP)
    return event[start : event.index(b'"', start)]
