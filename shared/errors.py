"""Every error that the mesh raises on purpose. Each has a stable `code`, and a message for a person who can act on it.

`services.gateway.problems` maps them to HTTP; `shared.runner.job` maps them to the end of a task or to another attempt.
"""

from shared.messages import Failure, State


class MeshError(Exception):
    """The base. `str(error)` is shown to clients: no path, command line or library name belongs in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Permanent(MeshError):
    """Another attempt would end the same way: the task fails at once."""


class Retryable(MeshError):
    """The circumstances are at fault: the stage tries again, up to its limit of attempts."""


class SettingsError(MeshError):
    """A process cannot start with these settings; it exits with status 2 and prints the message."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_settings", message)


class ModelMissing(MeshError):
    """A worker has no model to run; it exits with status 3 and prints the message, which says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__("model_missing", message)


class MeshRefused(MeshError):
    """The gateway has refused a request of a `MeshClient`.

    `code` is one of docs/errors.md, `field` names the form field at fault, and after `retry_after` seconds another
    attempt may go better.
    """

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.field = field
        self.retry_after = retry_after


class MeshUnreachable(MeshError):
    """The gateway has not answered a `MeshClient` for longer than its patience."""

    def __init__(self, message: str) -> None:
        super().__init__("unreachable", message)


class DeadlineExceeded(MeshError, TimeoutError):
    """What the caller wanted did not happen within the time that it gave."""

    def __init__(self, message: str) -> None:
        super().__init__("deadline_exceeded", message)


class TaskFailed(MeshError):
    """The task of a direct call has ended without a result. `retryable` says whether the same call may go better."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code, failure.message)
        self.retryable = failure.retryable


class Superseded(Exception):
    """This attempt has lost its claim to a newer one. It writes nothing more and stops."""


class RolledBack(Exception):
    """Redis no longer has what this attempt has written: it has failed over, or was restored. The attempt stops, and
    another one goes on behind what is there."""


class Closed(Exception):
    """The task has ended (`state`) while the attempt was at work. It stops."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state
