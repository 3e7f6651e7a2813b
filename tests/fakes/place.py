"""Everything that an upload could leave behind."""

from pathlib import Path

from shared import keys
from shared.messages import StageName
from shared.redis import Redis


class Place:
    """The blobs and the spool of a gateway that keeps both in `folder`, and its Redis."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.redis = redis
        self.blobs = folder / "blobs"
        self.spool = folder / "spool"

    def uploads(self) -> list[Path]:
        """The uploads that are arriving, or have been left."""
        return list(self.spool.rglob("upload-*"))

    def files(self) -> list[Path]:
        """All recordings, those that are arriving and those that are kept."""
        return [*self.blobs.iterdir(), *self.uploads()]

    async def is_clean(self) -> bool:
        """Whether there is no file, no task and no job."""
        queued = await self.redis.zcard(keys.queue(StageName.ASR))
        return not self.files() and not queued and not [key async for key in self.redis.scan_iter("vm:{*")]
