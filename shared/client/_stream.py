"""The events of one task, over as many connections as it takes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.client import _http
from shared.client._clock import Clock
from shared.client._http import Http
from shared.client._sse import Parser
from shared.client._task import Update, decode_update
from shared.errors import MeshError, MeshRefused, MeshUnreachable


class Stream:
    """Where a reader of the task at `path` stands: behind the event whose id is `after`."""

    def __init__(self, http: Http, path: str, clock: Clock, *, after: str) -> None:
        self._http = http
        self._path = path
        self._clock = clock
        self._after = after
        self._ended = False

    async def updates(self) -> AsyncGenerator[Update]:
        """Each event once and in order, to the end of the task."""
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
            if self._ended:
                return
            await self._clock.pause(failure, at_least=max(_http.pause_of(failure), parser.retry_seconds or 0.0))

    async def _connection(self, parser: Parser) -> AsyncGenerator[Update]:
        """What one connection brings that was not there before."""
        headers = {"Last-Event-ID": self._after} if self._after else {}
        async with self._http.stream(self._path, self._clock, headers=headers) as response:
            self._ended = response.status_code == _http.NO_CONTENT  # the last event is behind us already
            async with aclosing(_http.chunks(response, self._clock)) as chunks:
                async for chunk in chunks:
                    messages = parser.feed(chunk)
                    if parser.alive:
                        self._clock.heard()
                    for message in messages:
                        update = decode_update(message.id, message.data)
                        if update is not None and self._take(update):
                            yield update
                        if self._ended:
                            return

    def _take(self, update: Update) -> bool:
        """Whether the event is new. A log that has lost its latest seconds is sent from its start; what was seen of it
        is left out, but for the end."""
        self._ended = update.step.terminal
        if 0 < _number(update.id) <= _number(self._after) and not self._ended:
            return False
        self._after = update.id or self._after
        return True


def _number(event_id: str) -> int:
    digits = event_id.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
