"""How many requests a tenant may make. The count is kept in Redis, so it is the same whichever replica is asked."""

from importlib.resources import files
from math import ceil

from services.gateway.problems import Problem
from shared import codec, keys
from shared.redis import Redis, answered

_PERIOD_MS = 60_000


class Rate:
    """At most `count` requests of each caller in one go, and as many in a minute from then on; 0 sets no limit."""

    def __init__(self, redis: Redis, count: int) -> None:
        self._script = redis.register_script(files("shared").joinpath("lua", "rate.lua").read_bytes())
        self._request = codec.pack({"count": count, "period_ms": _PERIOD_MS})
        self._count = count

    async def take(self, caller: str) -> None:
        """Count one request of the caller. Raises `Problem` with 429 that says when the next one fits."""
        if not self._count:
            return
        allowed, wait_ms, _, whole_ms = await answered(self._script(keys=[keys.rate(caller)], args=[self._request]))
        if allowed:
            return
        seconds = ceil(wait_ms / 1000)
        headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"requests";q={self._count};w={_PERIOD_MS // 1000}',
            "RateLimit": f'"requests";r=0;t={ceil(whole_ms / 1000)}',
        }
        detail = f"At most {self._count} requests a minute are taken. Come back in {seconds} s."
        raise Problem(429, "rate_limited", detail, headers=headers)
