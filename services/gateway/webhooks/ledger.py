"""Which webhooks are due, and what has become of them, in Redis."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from shared import codec, keys
from shared.messages import WebhookAttempt, WebhookState
from shared.redis import Redis

LEASE_SECONDS = 30.0
"""How long a webhook is one gateway's: longer than an attempt takes."""


class Taken(NamedTuple):
    """A webhook that is due, for its holder."""

    task_id: str
    token: int


class Ledger:
    """The scripts on webhooks, typed."""

    def __init__(self, redis: Redis) -> None:
        self._take, self._log = (
            redis.register_script(files("shared").joinpath("lua", f"{name}.lua").read_bytes())
            for name in ("take_webhooks", "log_webhook")
        )

    async def take(self, *, count: int) -> Sequence[Taken]:
        """Up to `count` webhooks that are due. For `LEASE_SECONDS` nobody else gets them."""
        request = {"count": count, "lease_ms": int(LEASE_SECONDS * 1000)}
        token, task_ids = await self._take(keys=[keys.WEBHOOKS], args=[codec.pack(request)])
        return [Taken(task_id.decode(), token) for task_id in task_ids]

    async def log(
        self, taken: Taken, attempt: WebhookAttempt, *, state: WebhookState, retry_seconds: float | None
    ) -> str:
        """Write down the attempt; the next is due after `retry_seconds`, or there is none. Answers OK, SUPERSEDED or
        GONE."""
        request: dict[str, Any] = {
            "task_id": taken.task_id,
            "token": taken.token,
            "attempt": codec.encode_text(attempt),
            "state": state,
        }
        if retry_seconds is not None:
            request["retry_ms"] = int(retry_seconds * 1000)
        names = [keys.task(taken.task_id), keys.WEBHOOKS]
        reply = await self._log(keys=names, args=[codec.pack(request)])
        return reply[0].decode()
