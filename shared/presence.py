"""Which workers are alive, and what they can do. A worker says so every few seconds; silence makes it disappear."""

import time
from collections.abc import Mapping
from typing import Any

from shared import codec, keys
from shared.messages import StageName
from shared.redis import Redis

HEARTBEAT_SECONDS = 5.0
_LAPSE_SECONDS = 3 * HEARTBEAT_SECONDS


async def announce(redis: Redis, stage: StageName, worker_id: str, info: Mapping[str, Any]) -> None:
    """Say that this worker is ready and what it can do; holds for three heartbeats."""
    lapses = time.time() + _LAPSE_SECONDS
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set(keys.worker(stage, worker_id), codec.encode_json(dict(info)), px=int(_LAPSE_SECONDS * 1000))
        pipe.zadd(keys.WORKERS, {f"{stage}/{worker_id}": int(lapses * 1000)})
        pipe.zremrangebyscore(keys.WORKERS, "-inf", int(time.time() * 1000))
        await pipe.execute()


async def withdraw(redis: Redis, stage: StageName, worker_id: str) -> None:
    """Say that this worker takes no more work."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(keys.worker(stage, worker_id))
        pipe.zrem(keys.WORKERS, f"{stage}/{worker_id}")
        await pipe.execute()


async def live(redis: Redis) -> dict[StageName, list[dict[str, Any]]]:
    """The live workers of each stage, by what they announced; a stage without any has an empty list."""
    found: dict[StageName, list[dict[str, Any]]] = {stage: [] for stage in StageName}
    names = await redis.zrangebyscore(keys.WORKERS, int(time.time() * 1000), "+inf")
    places = [name.decode().partition("/") for name in names]
    if not places:
        return found
    infos = await redis.mget([keys.worker(stage, worker_id) for stage, _, worker_id in places])
    for (stage, _, worker_id), info in zip(places, infos, strict=True):
        if info is not None:
            found[StageName(stage)].append({"worker": worker_id, **codec.decode_plain(info)})
    return found
