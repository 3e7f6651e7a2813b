"""Whether there is room for one more task: in the queues, and in what its owner may have at a time and in a day.

It is asked twice. Before the upload is read, so that nobody sends a long recording in vain; and in the script that
creates the task, where it is exact, however many submissions come at the same moment.
"""

import random
from math import ceil
from typing import NoReturn

from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared.redis import answered
from shared.scripts import Scripts
from shared.steps import route_of
from shared.submission import NoRoom, Room

_TASK_SECONDS = 10
"""When to look again whether one of the tasks has ended."""
_QUEUE_SECONDS = (15, 45)
"""When to look again whether a queue has become shorter: not all at the same moment."""
_LEAST_SECONDS = 0.001
"""Of a recording of which nothing is known yet: no day that is used up has room for it."""


class Admission:
    """Owners without a name, where no keys are asked for, have no limits of their own."""

    def __init__(self, scripts: Scripts, settings: Settings) -> None:
        self._scripts = scripts
        self._shared = Room(queue=settings.max_queue)
        self._own = Room(
            queue=settings.max_queue,
            tasks=settings.tasks_at_a_time,
            audio_seconds=settings.audio_seconds_per_day,
        )

    def room(self, owner: str) -> Room:
        """What there has to be room for."""
        return self._own if owner else self._shared

    async def admit(self, owner: str, *, audio: bool, once: str | None) -> None:
        """Let a submission come, a recording or a text; `once` is its idempotency key. Raises `Problem` with 429 or 503
        when there is no room for it, however short it is and whatever it asks for, and one of `AWAY`."""
        route = route_of(audio=audio, translation=False, insights=False)
        seconds = _LEAST_SECONDS if audio else 0.0
        try:
            await answered(self._scripts.admit(owner, route, self.room(owner), seconds=seconds, once=once))
        except NoRoom as error:
            self.refuse(error)

    def refuse(self, want: NoRoom, *, seconds: float = 0.0) -> NoReturn:
        """Raise the `Problem` for it. `seconds` is the length of the recording."""
        tasks, day = self._own.tasks, self._own.audio_seconds
        match want.reason:
            case "QUEUE":
                detail, seconds = "More is waiting than can be worked on soon.", random.randint(*_QUEUE_SECONDS)
                raise _come_back(503, detail, code="overloaded", seconds=seconds) from want
            case "TASKS":
                detail = f"At most {tasks} tasks at a time are taken. Wait until one has ended, or cancel one."
                raise _come_back(429, detail, code="too_many_tasks", seconds=_TASK_SECONDS) from want
            case _ if seconds > day:
                detail = f"The recording is longer than all that is taken in a day, {day / 3600:.1f} hours."
                raise Problem(413, "too_long", detail, field="audio") from want
            case _:
                detail = f"At most {day / 3600:.1f} hours of audio a day are taken. A new day begins at midnight, UTC."
                raise _come_back(429, detail, code="quota_exceeded", seconds=ceil(want.wait_seconds)) from want


def _come_back(status: int, detail: str, *, code: str, seconds: int) -> Problem:
    return Problem(status, code, f"{detail} Come back in {seconds} s.", headers={"Retry-After": str(seconds)})
