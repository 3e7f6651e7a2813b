"""An event that an attempt owes, and how it becomes one that is published."""

from collections.abc import Sequence

import msgspec

from shared import codec, events
from shared.commit import PublishedEvent
from shared.messages import Notice, Partial, Result, Segment, Step
from shared.stage import PartialText


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is owed. `record` is the number of the record that it reports, 0 for a step."""

    step: Step
    record: int = 0
    done: float | None = None
    partial: Partial | Result | None = None
    warnings: tuple[Notice, ...] = ()


def of_step(task_id: str, owed: Announcement) -> PublishedEvent:
    """The event of a step."""
    event = events.make(task_id, owed.step, partial=owed.partial, warnings=owed.warnings)
    return PublishedEvent(data=codec.encode_text(event), step=owed.step, progress=event.progress)


def of_record(
    task_id: str, owed: Announcement, *, segment: Segment, texts: Sequence[events.Piece], partial: PartialText
) -> PublishedEvent:
    """The event of a record: `texts` are those of the segments up to this one, its own included."""
    full = partial.part(events.joined(texts), segment)
    event = events.make(task_id, owed.step, partial=full, done=owed.done)
    logged = msgspec.structs.replace(event, partial_result=codec.raw_json(partial.part(None, segment)))
    return PublishedEvent(
        data=codec.encode_text(event),
        step=owed.step,
        progress=event.progress,
        record=owed.record,
        logged=codec.encode_text(logged),
    )
