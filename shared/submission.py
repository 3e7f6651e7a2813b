"""What makes a task: the one thing that a gateway hands to `shared.scripts` to bring a task into being."""

from collections.abc import Sequence

import msgspec

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
    reply: str = ""
    """Channel on which the caller of a direct call hears of new records and of the end. Such a task is on no list."""


class KeyReused(Exception):
    """The key of a `Once` stands for another body."""
