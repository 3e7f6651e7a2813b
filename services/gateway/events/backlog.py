"""Reading the event log for clients: what they missed, and how a task ended whose end they missed."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from services.gateway.events.frames import PIECE_BYTES, Frame, frame
from shared import codec, events, tasks
from shared.events import TextSoFar
from shared.messages import Failure, State
from shared.redis import Redis

BATCH = 32
"""Events per read at most."""
_CATCH_UP = 256
"""Events at a time that are read only for the text that they add, or for the steps among them."""
_READS = 16
"""Reads at a time: what ten thousand clients that wake at once hold in memory meanwhile."""


class Piece(NamedTuple):
    """A part of a log. Frames behind it are there already unless it is the `last`."""

    frames: Sequence[Frame]
    last: bool


class Backlog:
    """The records and event logs of all tasks."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._turn = asyncio.Semaphore(_READS)

    async def task(self, task_id: str) -> tasks.Task | None:
        """The task as it stands, or None when there is none by this id."""
        return await tasks.read(self._redis, task_id)

    async def read(self, task_id: str, number: int, *, last: Frame | None, texts: TextSoFar) -> Piece:
        """The frames behind event `number`, up to `BATCH` and about `PIECE_BYTES`. `last` is the frame that the client
        had last. `texts` has seen what was read for this client so far; when that is not all up to `number`, the log is
        read from its start.

        A task that is gone gets an end without an id. One that ended at or before `number` gets its last event
        again: that happens when Redis has lost its latest seconds, and no stream may stay open for ever.
        """
        async with self._turn:
            found = await events.read(self._redis, task_id, after=number, count=BATCH)
            if not found:
                task = await tasks.read(self._redis, task_id)
                if task is None:
                    return Piece([lost(task_id, last)], last=True)
                if task.state.terminal and task.last_event <= number:
                    before = max(task.last_event - 1, 0)
                    found = await events.read(self._redis, task_id, after=before, count=1)
                    if not found:
                        return Piece([lost(task_id, last)], last=True)
            if texts.number != number and any(events.lacks_text(event) for _, event in found):
                await self._catch_up(task_id, number, texts)
        frames: list[Frame] = []
        size = 0
        for at, event in found:
            frames.append(frame(at, texts.complete(at, event)))
            size += len(frames[-1].data)
            if size >= PIECE_BYTES:
                break
        return Piece(frames, last=len(frames) == len(found) < BATCH)

    async def read_steps(self, task_id: str, number: int, *, last: Frame | None) -> tuple[int, Sequence[Frame]]:
        """How far the log goes behind event `number`, and the frames there that tell of a whole step. Nothing but the
        record is read when there is nothing new. Ends in the same cases as `read`."""
        task = await self.task(task_id)
        if task is None:
            return number, (lost(task_id, last),)
        if task.last_event <= number:
            if not task.state.terminal:
                return number, ()
            number = max(task.last_event - 1, 0)
        frames: list[Frame] = []
        while number < task.last_event:
            async with self._turn:
                found = await events.read(self._redis, task_id, after=number, count=_CATCH_UP)
            if not found:
                return number, [*frames, lost(task_id, last)]
            frames += [frame(at, event) for at, event in found if events.is_whole(event)]
            number = found[-1][0]
        return number, frames

    async def _catch_up(self, task_id: str, number: int, texts: TextSoFar) -> None:
        """Let `texts` see the events up to `number`."""
        while entries := await events.read(self._redis, task_id, after=texts.number, count=_CATCH_UP):
            for seen, event in entries:
                if seen > number:
                    return
                texts.complete(seen, event)


def lost(task_id: str, last: Frame | None = None) -> Frame:
    """The end of a stream whose task is no longer in Redis, with the progress as it stood."""
    failure = Failure(
        code="task_lost",
        message="This task is no longer known: it has expired or was lost. Please submit it again.",
        retryable=True,
    )
    progress = codec.decode_event(last.event).progress if last else 0
    event = events.make_end(task_id, State.EXPIRED, failure)
    return frame(0, event.replace('"progress":-1', f'"progress":{progress}', 1).encode())
