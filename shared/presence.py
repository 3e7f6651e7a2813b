"""Which workers are alive, and what they can do. A worker says so every few seconds; silence makes it disappear.

What lives is what Redis holds: a registration lapses with its key, and no clock but Redis' own is looked at. What a
stage could do is remembered for a day, so that a stage that is scaled to zero is not one that nobody knows.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from shared import codec, keys
from shared.messages import StageName
from shared.redis import Redis

HEARTBEAT_SECONDS = 5.0
MEMORY_SECONDS = 86_400.0
_LAPSE_SECONDS = 3 * HEARTBEAT_SECONDS
_MOST_REMEMBERED = 50
"""Of a stage: more kinds of workers than a fleet has."""

_ANNOUNCE = files("shared").joinpath("lua", "announce.lua").read_bytes()

Info = dict[str, Any]
"""What a worker tells of itself: what its engine describes, and how many tasks it takes at a time."""


async def announce(redis: Redis, stage: StageName, worker_id: str, info: Mapping[str, Any]) -> None:
    """Say that this worker is ready and what it can do; holds for three heartbeats."""
    request = {
        "member": f"{stage}/{worker_id}",
        "lapse_ms": int(_LAPSE_SECONDS * 1000),
        "memory_ms": int(MEMORY_SECONDS * 1000),
        "most": _MOST_REMEMBERED,
    }
    script = redis.register_script(_ANNOUNCE)
    names = [keys.worker(stage, worker_id), keys.WORKERS, keys.known(stage)]
    await script(keys=names, args=[codec.pack(request), codec.encode_json(dict(info))])


async def withdraw(redis: Redis, stage: StageName, worker_id: str) -> None:
    """Say that this worker takes no more work."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(keys.worker(stage, worker_id))
        pipe.zrem(keys.WORKERS, f"{stage}/{worker_id}")
        await pipe.execute()


async def live(redis: Redis) -> dict[StageName, list[Info]]:
    """The live workers of each stage, by what they announced; a stage without any has an empty list."""
    found: dict[StageName, list[Info]] = {stage: [] for stage in StageName}
    places = [name.decode().partition("/") for name in await redis.zrange(keys.WORKERS, 0, -1)]
    if not places:
        return found
    infos = await redis.mget([keys.worker(stage, worker_id) for stage, _, worker_id in places])
    for (stage, _, worker_id), info in zip(places, infos, strict=True):
        # One that has lapsed stays in the set until another announces itself; one of a later version may be new to us.
        if info is not None and stage in found:
            found[StageName(stage)].append({"worker": worker_id, **codec.decode_plain(info)})
    return found


async def remembered(redis: Redis, stage: StageName) -> list[Info]:
    """What workers of the stage have told within the last day: each kind once, the latest first."""
    return [codec.decode_plain(info) for info in reversed(await redis.zrange(keys.known(stage), 0, -1))]
