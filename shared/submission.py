"""What makes a task: the one thing that a gateway hands to `shared.scripts` to bring a task into being."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared import codec, keys
from shared.messages import Options, StageName


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """A client's word that what it sends under `key` is meant once. `body` stands for all that was sent: the same key
    with the same body is the same task, whoever's reply got lost; with another body it is a mistake."""

    key: str
    body: str


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A new task. Either `blob` names its recording, or `records` hold its input (the end record last)."""

    task_id: str
    route: Sequence[StageName]
    options: Options
    job: bytes
    blob: str = ""
    name: str = ""
    """What the client called the file; data only, never a path."""
    duration: float = 0.0
    """Seconds of audio as the container declares them; 0 when it does not say."""
    records: Sequence[bytes] = ()
    owner: str = ""
    """Whose task it is; empty where nobody is told apart."""
    once: Once | None = None
    webhook: str = ""
    """The URL that is told of the end; empty for none."""
    traceparent: str = ""
    """Where in which trace the task was submitted; empty for none."""
    reply: str = ""
    """Channel on which the caller of a direct call hears of new records and of the end. Such a task is on no list."""

    def keys(self) -> Sequence[str]:
        """The keys of the script `submit`."""
        task_id, stage = self.task_id, self.route[0]
        return (
            keys.task(task_id),
            keys.out(task_id, keys.SOURCE),
            keys.WATCH,
            keys.queue(stage),
            keys.job(task_id, stage),
            keys.tombstone(task_id),
            keys.tasks_of(self.owner),
            *([keys.once(self.owner, self.once.key)] if self.once else []),
        )

    def request(self) -> dict[str, Any]:
        """The rest of what the script gets, but for job, records and limits."""
        stage = self.route[0]
        return {
            "task_id": self.task_id,
            "route": ",".join(self.route),
            "options": codec.encode_text(self.options),
            "blob": self.blob,
            "name": self.name,
            "duration": str(self.duration),
            "owner": self.owner,
            "webhook": self.webhook,
            "traceparent": self.traceparent,
            "body": self.once.body if self.once else "",
            "reply": self.reply,
            "stage": stage,
            "job_id": keys.job_id(self.task_id, stage),
            "wake": keys.wake(stage),
            "task_key": keys.task("%s"),
        }


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What there has to be room for. 0 is no limit."""

    queue: int = 0
    """Jobs of each stage on the task's way, waiting or in work."""
    tasks: int = 0
    """Unfinished tasks of the owner."""
    audio_seconds: float = 0.0
    """Seconds of audio that the owner submits in a day, by UTC."""

    def request(self, owner: str, route: Sequence[StageName], *, seconds: float) -> dict[str, Any]:
        """What `room.lua` gets about a task of that owner, that way and that length."""
        return {
            "queues": [keys.queue(stage) for stage in route],
            "queue": self.queue,
            "tasks": self.tasks,
            "unfinished": keys.unfinished(owner),
            "task_key": keys.task("%s"),
            "audio_seconds": self.audio_seconds,
            "seconds": seconds,
            "heard": keys.heard(owner, "%s"),
        }


class NoRoom(Exception):
    """There is no room for one more task. `wait_seconds` says for how long, 0 when nobody can know."""

    def __init__(self, reason: str, wait_seconds: float) -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.wait_seconds = wait_seconds


class KeyReused(Exception):
    """The key of a `Once` stands for another body."""
