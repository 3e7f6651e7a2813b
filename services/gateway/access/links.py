"""Signed links. A browser's `EventSource` cannot send a key, so the address of a stream carries a token in its place.
It names one task, is good for some minutes, and lets nobody do anything else.

A token is `task_id.time.signature`. Whoever holds the secret can check it, so no replica needs to remember it.
"""

import hashlib
import secrets
import time

from itsdangerous import BadSignature, TimestampSigner

from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared import keys
from shared.redis import Redis, answered

_SKEW_SECONDS = 60
"""By how much another replica's clock may be ahead."""
_REFRESH_SECONDS = 60.0
"""How often the shared secret is looked up again: one that Redis has lost is put back, or its successor taken over."""
_SECRET_TTL_MS = 86_400_000


class LinkSigner:
    """Makes and checks tokens. Raises one of `AWAY` when the secret is to be had from Redis and that is away."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._seconds = settings.link_seconds
        self._configured = settings.link_secret
        self._shared = b""
        self._look_again = 0.0

    async def sign(self, task_id: str) -> str:
        """A token for the task, good from now on."""
        return (await self._signer()).sign(task_id).decode()

    async def check(self, token: str) -> str:
        """The id of the task that `token` is for. Raises `Problem`: 401 when its time is over, 403 when it is none."""
        try:
            signed, moment = (await self._signer()).unsign(token, return_timestamp=True)
        except BadSignature as error:
            raise Problem(403, "bad_link", _BAD) from error
        age = time.time() - moment.timestamp()
        if age < -_SKEW_SECONDS:
            raise Problem(403, "bad_link", _BAD)
        if age > self._seconds:
            raise Problem(401, "link_expired", _EXPIRED, headers={"WWW-Authenticate": "Bearer"})
        return signed.decode()

    async def _signer(self) -> TimestampSigner:
        secret = self._configured or await self._secret()
        return TimestampSigner(secret, salt="stream link", key_derivation="hmac", digest_method=hashlib.sha256)

    async def _secret(self) -> bytes:
        """The secret that all gateways share: the one in Redis, or ours if there is none."""
        if time.monotonic() >= self._look_again:
            ours = self._shared or secrets.token_bytes(32)
            kept = await answered(self._redis.set(keys.SIGNING, ours, nx=True, px=_SECRET_TTL_MS))
            theirs = None if kept else await answered(self._redis.getex(keys.SIGNING, px=_SECRET_TTL_MS))
            self._shared = theirs or ours
            self._look_again = time.monotonic() + _REFRESH_SECONDS
        return self._shared


_BAD = "The token of this link is not valid. Ask for the task with your key: the answer has a link that is."
_EXPIRED = "The time of this link is over. Ask for the task with your key: the answer has a new link."
