"""The client of a mesh over HTTP, for services that do not share its Redis.

It needs msgspec and httpx, and imports nothing of what the servers need.
"""

from shared.client._client import MeshClient
from shared.client._form import Audio, Options
from shared.client._sync import SyncMeshClient
from shared.client._task import TaskState, Update
from shared.client._url import gateway_url
from shared.errors import DeadlineExceeded, MeshError, MeshRefused, MeshUnreachable, TaskFailed

__all__ = [
    "Audio",
    "DeadlineExceeded",
    "MeshClient",
    "MeshError",
    "MeshRefused",
    "MeshUnreachable",
    "Options",
    "SyncMeshClient",
    "TaskFailed",
    "TaskState",
    "Update",
    "gateway_url",
]
