"""Delivers webhooks that are due, one attempt at a time for each."""

import asyncio
import random
import time
from datetime import UTC, datetime
from importlib.metadata import version

import structlog

from services.gateway import traces
from services.gateway.outbound import Guard, Refused, Unreachable, request
from services.gateway.settings import Settings
from services.gateway.webhooks.ledger import Ledger, Taken
from services.gateway.webhooks.message import body_of, headers_of
from shared import metrics, tasks
from shared.messages import WebhookAttempt, WebhookState
from shared.pauses import Pauses
from shared.redis import AWAY, Redis
from shared.tasks import Task
from shared.tracing import Tracing, current
from shared.webhooks import secret_of

log = structlog.get_logger(__name__)

ATTEMPT_SECONDS = 15.0
"""How long a receiver may take to answer, all in all."""
MOST_ATTEMPTS = 8
LONGEST_RETRY_SECONDS = 3_600.0
_GROWTH = 3
_AT_ONCE = 16
_LOOK_SECONDS = (0.01, 1.0)
"""How often the list is looked at: the latter, unless webhooks are to be sent again sooner."""
_GONE = 410
"""The receiver's word that it wants no more."""


class Deliverer:
    """The webhooks of all gateways, as far as this one gets hold of them."""

    def __init__(self, redis: Redis, guard: Guard, settings: Settings, tracing: Tracing) -> None:
        self._redis = redis
        self._tracing = tracing
        self._guard = guard
        self._master = settings.webhook_secret
        self._retry_seconds = settings.webhook_retry_seconds
        self._ledger = Ledger(redis)
        self._agent = f"voxmesh/{version('voxmesh')}"

    async def work(self) -> None:
        """Runs until cancelled, through any loss of Redis. Without a secret nothing is taken: another gateway may have
        one."""
        if not self._master:
            return
        pauses = Pauses()
        async with asyncio.TaskGroup() as group:
            busy = set[asyncio.Task[None]]()
            while True:
                try:
                    taken = await self._ledger.take(count=_AT_ONCE - len(busy))
                    pauses = Pauses()
                except AWAY as error:
                    log.warning("webhooks_interrupted", error=str(error))
                    await pauses.wait()
                    continue
                for one in taken:
                    task = group.create_task(self._deliver(one), name="webhook")
                    busy.add(task)
                    task.add_done_callback(busy.discard)
                await asyncio.sleep(min(max(_LOOK_SECONDS[0], self._retry_seconds), _LOOK_SECONDS[1]))

    async def _deliver(self, taken: Taken) -> None:
        """One attempt. What goes wrong here meanwhile is made good when the webhook is due again."""
        try:
            task = await tasks.read(self._redis, taken.task_id)
            with traces.logged(task.traceparent if task else None):
                await self._settle(taken, task)
        except AWAY as error:
            log.warning("webhook_unsettled", task_id=taken.task_id, error=str(error))
        except Exception:
            log.exception("webhook_broken", task_id=taken.task_id)

    async def _settle(self, taken: Taken, task: Task | None) -> None:
        if task is None or task.webhook is None:
            attempt, number = _NOTHING, MOST_ATTEMPTS
        else:
            number = len(task.webhook.attempts) + 1
            attempt = await self._attempt(task, task.webhook.url, number)
        state, retry_seconds = self._verdict(attempt, number)
        kept = await self._ledger.log(taken, attempt, state=state, retry_seconds=retry_seconds)
        metrics.WEBHOOKS.labels(attempt.error or "delivered").inc()
        facts = {"attempt": number, "state": state.value, "status": attempt.status, "error": attempt.error}
        log.info("webhook_attempted", task_id=taken.task_id, kept=kept, **facts)

    def _verdict(self, attempt: WebhookAttempt, number: int) -> tuple[WebhookState, float | None]:
        """How the webhook stands after attempt `number`, and when the next one follows."""
        if attempt.error is None:
            return WebhookState.DELIVERED, None
        if number >= MOST_ATTEMPTS or attempt.status == _GONE:
            return WebhookState.FAILED, None
        pause = min(self._retry_seconds * _GROWTH ** (number - 1), LONGEST_RETRY_SECONDS)
        return WebhookState.PENDING, pause * random.uniform(0.8, 1.2)

    async def _attempt(self, task: Task, url: str, number: int) -> WebhookAttempt:
        at, started = datetime.now(UTC), time.monotonic()
        status, error = None, None
        with traces.delivery(self._tracing, traceparent=task.traceparent, number=number) as span:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    status = await self._post(task, url)
                    error = None if 200 <= status < 300 else "redirected" if 300 <= status < 400 else "status"
            except Refused:
                error = "refused"
            except Unreachable as unreachable:
                error = unreachable.code
            except TimeoutError:
                error = "timeout"
            attempt = WebhookAttempt(at=at, status=status, error=error, seconds=round(time.monotonic() - started, 3))
            traces.tell_of(attempt, span)
        return attempt

    async def _post(self, task: Task, url: str) -> int:
        """The status of the receiver's answer; its body is not read."""
        body = body_of(task)
        headers = headers_of(task, body, secret=secret_of(self._master, task.owner), user_agent=self._agent)
        target = self._guard.target(url)
        traceparent = current().traceparent
        current().tell({"server.address": target.host, "server.port": target.port})
        if traceparent:
            headers["traceparent"] = traceparent
        async with request(
            self._guard, target, method="POST", headers=headers, body=body, silence_seconds=ATTEMPT_SECONDS
        ) as answer:
            return answer.status


_NOTHING = WebhookAttempt(at=datetime.fromtimestamp(0, UTC), status=None, error="gone", seconds=0.0)
"""There is no task any more, and nothing is written."""
