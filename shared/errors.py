"""Every error that the mesh raises on purpose. Each has a stable `code`, and a message for a person who can act on it.

`services.gateway.problems` maps them to HTTP; `shared.runner` maps them to the end of a task or to another attempt.
"""

from shared.messages import State


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


class Superseded(Exception):
    """This attempt has lost its claim to a newer one. It writes nothing more and stops."""


class Closed(Exception):
    """The task has ended (`state`) while the attempt was at work. It stops."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state
