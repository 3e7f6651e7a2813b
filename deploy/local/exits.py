"""The exit statuses of `voxmesh`, the same for all commands."""

from deploy.local.child import ChildDied
from shared.errors import MeshError, MeshUnreachable, ModelMissing, SettingsError

DONE = 0
FAILED = 1
USAGE = 2
"""Usage or settings: nothing has been done."""
NO_MESH = 3
"""There is nothing to do the work: no model, or no gateway that answers."""
STOPPED = 130
"""Ctrl-C, SIGTERM or a closed terminal."""


def status_of(error: MeshError) -> int:
    """With what a command ends that `error` has ended."""
    match error:
        case SettingsError():
            return USAGE
        case ModelMissing() | MeshUnreachable():
            return NO_MESH
        case ChildDied(status=2 | 3 as status):  # a service had the same to say
            return status
        case _:
            return FAILED
