"""What a webhook says, and how it proves who says it. It is small: whoever wants the result asks for it."""

from datetime import UTC, datetime

from shared import codec
from shared.messages import Failure, Message, State
from shared.tasks import Task
from shared.webhooks import signature_of


class Ended(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A task that has ended. `self` and `result` are paths on the gateway."""

    task_id: str
    state: State
    name: str
    error: Failure | None
    self: str
    result: str | None


class Notification(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The body."""

    type: str
    timestamp: datetime
    data: Ended


def body_of(task: Task) -> bytes:
    """The body for the end of the task, the same at each attempt."""
    path = f"/audio/tasks/{task.task_id}"
    ended = Ended(
        task_id=task.task_id,
        state=task.state,
        name=task.name,
        error=task.error,
        self=path,
        result=f"{path}/result" if task.state is State.COMPLETED else None,
    )
    at = task.finished or task.created
    return codec.encode_json(Notification(type=f"task.{task.state}", timestamp=at, data=ended))


def headers_of(task: Task, body: bytes, *, secret: bytes, user_agent: str) -> dict[str, str]:
    """What goes with the body at this moment."""
    message_id, timestamp = f"msg_{task.task_id}", int(datetime.now(UTC).timestamp())
    return {
        "content-type": "application/json",
        "user-agent": user_agent,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature_of(secret, message_id=message_id, timestamp=timestamp, body=body),
    }
