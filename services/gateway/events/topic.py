"""The latest events of a task, held once for all clients that watch it."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from services.gateway.events.frames import PIECE_BYTES, Frame
from shared import keys

RING_FRAMES, RING_BYTES = 256, 1 << 20
"""What a topic holds at most (its newest frame it holds in any case). Who lacks more reads the log."""


class Watcher(Protocol):
    """Whoever waits for events of the task."""

    def wake(self) -> None: ...

    def close(self) -> None: ...


class Topic:
    """Frames in order and without a gap, the newest last."""

    __slots__ = ("bytes", "channel", "epoch", "frames", "live", "task_id", "watchers")

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.channel = keys.channel(task_id).encode()
        self.watchers: set[Watcher] = set()
        self.frames: deque[Frame] = deque()
        self.bytes = 0
        self.live = False
        """Whether Redis has confirmed the subscription: from then on each event arrives by itself."""
        self.epoch = 0
        """Raised at each confirmation. What was known in an earlier epoch may have a hole."""

    def add(self, new: Frame) -> None:
        """Take in a published event. One that is there already changes nothing; one behind a gap starts anew."""
        frames = self.frames
        if frames and new.number <= frames[-1].number:
            return
        if frames and new.number != frames[-1].number + 1:
            self._forget()
        frames.append(new)
        self.bytes += len(new.data)
        while len(frames) > RING_FRAMES or (self.bytes > RING_BYTES and len(frames) > 1):
            self.bytes -= len(frames.popleft().data)
        self._wake()

    def after(self, number: int) -> Sequence[Frame] | None:
        """The frames behind `number`, about `PIECE_BYTES` of them. None when the next is no longer, or never was, in
        the ring."""
        frames = self.frames
        missing = frames[-1].number - number if frames else 0
        if missing > len(frames):
            return None
        found: list[Frame] = []
        size = 0
        for index in range(-missing, 0):
            found.append(frames[index])
            size += len(found[-1].data)
            if size >= PIECE_BYTES:
                break
        return found

    def confirm(self) -> None:
        """The subscription stands."""
        self.live = True
        self.epoch += 1
        self._wake()

    def lose(self) -> None:
        """The subscription is gone, and with it the certainty that the next message follows the last."""
        self.live = False
        self._forget()

    def _forget(self) -> None:
        self.frames.clear()
        self.bytes = 0

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake()
