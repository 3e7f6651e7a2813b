"""The events of one task or of several, over as many connections as it takes."""

import re
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from shared.client import _http
from shared.client._clock import Clock
from shared.client._http import Http
from shared.client._sse import Parser
from shared.client._task import Update, decode_update
from shared.errors import MeshError, MeshRefused, MeshUnreachable

_PLACE = re.compile(r"([\w-]+):(\d+)", re.ASCII)
"""A part of an id on a stream of several tasks: the start of a task's id, and the number of its last event."""


class Stream:
    """Where a reader of `path`, which streams the events of `task_ids`, stands: behind the event whose id is
    `after`."""

    def __init__(self, http: Http, path: str, clock: Clock, *, task_ids: Collection[str], after: str) -> None:
        self._http = http
        self._path = path
        self._clock = clock
        self._after = after
        self._unfinished = set(task_ids)
        self._numbers = {task_id: _number(after, task_id) for task_id in task_ids}

    async def updates(self) -> AsyncGenerator[Update]:
        """Each event once and those of a task in order, to the end of all tasks."""
        while True:
            parser = Parser()
            failure: MeshError = MeshUnreachable("The gateway ends the stream before the task has ended.")
            try:
                async with aclosing(self._connection(parser)) as updates:
                    async for update in updates:
                        yield update
            except (MeshRefused, MeshUnreachable) as error:
                if not _http.passing(error):
                    raise
                failure = error
            if not self._unfinished:
                return
            await self._clock.pause(failure, at_least=max(_http.pause_of(failure), parser.retry_seconds or 0.0))

    async def _connection(self, parser: Parser) -> AsyncGenerator[Update]:
        """What one connection brings that was not there before."""
        headers = {"Last-Event-ID": self._after} if self._after else {}
        async with self._http.stream(self._path, self._clock, headers=headers) as response:
            if response.status_code == _http.NO_CONTENT:  # the last event is behind us already
                self._unfinished.clear()
                return
            async with aclosing(_http.chunks(response, self._clock)) as chunks:
                async for chunk in chunks:
                    messages = parser.feed(chunk)
                    if parser.alive:
                        self._clock.heard()
                    for message in messages:
                        update = decode_update(message.id, message.data)
                        if update is not None and self._take(update):
                            yield update
                        if not self._unfinished:
                            return

    def _take(self, update: Update) -> bool:
        """Whether the event is new. A log that has lost its latest seconds is sent from its start; what was seen of it
        is left out, but for the end."""
        if update.task_id not in self._unfinished:
            return False
        number = _number(update.id, update.task_id)
        if update.step.terminal:
            self._unfinished.discard(update.task_id)
        elif 0 < number <= self._numbers[update.task_id]:
            return False
        self._numbers[update.task_id] = number
        self._after = update.id or self._after
        return True


def _number(event_id: str, task_id: str) -> int:
    """The number of the event among those of its task; 0 where the id does not tell."""
    digits = event_id.partition("-")[0]
    if digits.isdecimal():
        return int(digits)
    return next((int(number) for name, number in _PLACE.findall(event_id) if task_id.startswith(name)), 0)
