"""How many requests a tenant may make. The count is kept in Redis, so it is the same whichever replica is asked.

Every answer to a request that counts says how things stand, in the fields of the IETF's draft
(draft-ietf-httpapi-ratelimit-headers): a client that reads them need not run into a refusal.
"""

from collections.abc import Mapping
from importlib.resources import files
from math import ceil

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from services.gateway.problems import Problem
from shared import codec, keys
from shared.redis import Redis, answered

POLICY_FIELD, FIELD = "RateLimit-Policy", "RateLimit"

_PERIOD_MS = 60_000
_STATE = "rate"


class Rate:
    """At most `count` requests of each caller in one go, and as many in a minute from then on; 0 sets no limit."""

    def __init__(self, redis: Redis, count: int) -> None:
        self._script = redis.register_script(files("shared").joinpath("lua", "rate.lua").read_bytes())
        self._request = codec.pack({"count": count, "period_ms": _PERIOD_MS})
        self._count = count
        self._policy = f'"requests";q={count};w={_PERIOD_MS // 1000}'

    async def take(self, caller: str, state: dict[str, object]) -> None:
        """Count one request of the caller. What its answer will say of that is noted in the `state` of its scope.
        Raises `Problem` with 429 that says when the next one fits."""
        if not self._count:
            return
        allowed, wait_ms, left, whole_ms = await answered(self._script(keys=[keys.rate(caller)], args=[self._request]))
        state[_STATE] = {POLICY_FIELD: self._policy, FIELD: f'"requests";r={left};t={ceil(whole_ms / 1000)}'}
        if not allowed:
            seconds = ceil(wait_ms / 1000)
            detail = f"At most {self._count} requests a minute are taken. Come back in {seconds} s."
            raise Problem(429, "rate_limited", detail, headers={"Retry-After": str(seconds)})


async def tell_rate(message: Message, scope: Scope) -> None:
    """Puts what `Rate` has noted into the answer, whatever that is. A hook for `before_send`."""
    noted: Mapping[str, str] | None = scope["state"].get(_STATE)
    if noted and message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in noted.items():
            headers[name] = value
