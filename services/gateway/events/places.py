"""Where a client stands in several tasks at once: the ids on a stream of many.

An id names the number of the last event of each task of which the client has had one: `3f9a:12,b07c:4`. A task is named
by as much of its id as tells it from the others on the stream, so that an id stays short; it is one on any replica, and
also on a stream of other tasks, of which it names some. `x` in place of a number stands for an end that has none.
"""

import re
from collections.abc import Iterable, Mapping

from services.gateway.events.frames import Frame

ENDED = -1
"""The place behind the end of a task that is not known (any more): its last event is in no log."""

_SHORTEST = 4
NAME = re.compile(r"[\w-]+", re.ASCII)
"""What a task's id is made of."""
_ID = re.compile(r"[\w-]+:(?:[0-9]{1,15}|x)(?:,[\w-]+:(?:[0-9]{1,15}|x))*", re.ASCII)


def places_of(last_event_id: str | None, task_ids: Iterable[str]) -> dict[str, int]:
    """What `last_event_id` says about `task_ids`. A task that it does not name, or not clearly, is not in the answer;
    nor is any when it is no id of such a stream."""
    text = (last_event_id or "").strip()
    places: dict[str, int] = {}
    if not _ID.fullmatch(text):
        return places
    for name, number in (part.split(":") for part in text.split(",")):
        named = [task_id for task_id in task_ids if task_id.startswith(name)]
        if len(named) == 1:
            places[named[0]] = ENDED if number == "x" else int(number)
    return places


class Places:
    """The places of one client, which move on with what is sent to it."""

    def __init__(self, task_ids: Iterable[str], places: Mapping[str, int]) -> None:
        self._names = _names(list(task_ids))
        self._numbers = {task_id: number for task_id, number in places.items() if number}

    def stamp(self, task_id: str, frame: Frame) -> bytes:
        """The frame with the id that is right once the client has had it."""
        self._numbers[task_id] = frame.number or ENDED
        parts = (f"{self._names[name]}:{'x' if at == ENDED else at}" for name, at in self._numbers.items())
        return b"id: %b\ndata: %b\n\n" % (",".join(parts).encode(), frame.event)


def _names(task_ids: list[str]) -> dict[str, str]:
    length = _SHORTEST
    while len({task_id[:length] for task_id in task_ids}) < len(task_ids):
        length += 1
    return {task_id: task_id[:length] for task_id in task_ids}
