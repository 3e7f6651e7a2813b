"""The header `Idempotency-Key`: a submission that is sent again because its answer got lost makes no second task."""

import hashlib
import re
from typing import Annotated, Any

from litestar import Request
from litestar.params import HeaderParameter

from services.gateway.problems import Problem
from shared import codec, keys
from shared.redis import Redis
from shared.submission import KeyReused, Once, Submission

HEADER = "Idempotency-Key"

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name=HEADER,
        description="A name of the client's own for this submission, at most 255 characters. Sent again with the same "
        "key and the same content, it is answered with the task that the first one has created.",
    ),
]
"""How a handler asks for the key."""
_KEY = re.compile(r"[!-~]{1,255}")
_OWN = "\x1f"
"""What keys of our own begin with: no client can send one."""


def checked(key: str | None, request: Request[Any, Any, Any]) -> str | None:
    """`key` if there can be such a one, and `request` has no other. Raises `Problem` otherwise."""
    if len(request.headers.getall(HEADER, [])) > 1:
        raise Problem(400, "bad_idempotency_key", f"The header {HEADER} was sent more than once.")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(
            400,
            "bad_idempotency_key",
            f"The header {HEADER} must hold 1 to 255 printable ASCII characters without spaces; a random UUID will do.",
        )
    return key


def once_of(key: str | None, submission: Submission, *, digest: str) -> Once | None:
    """What `submission` is to be told by when it comes again. `digest` stands for its input; how the client calls the
    file makes no difference."""
    if key is None:
        return None
    said = "\n".join((digest, ",".join(submission.route), codec.encode_text(submission.options)))
    said += f"\n{submission.webhook}" if submission.webhook else ""
    return Once(key=key, body=hashlib.sha256(said.encode()).hexdigest())


def by_content(submission: Submission, *, digest: str) -> Once:
    """What `submission` is to be told by when its client sends no key: by what it is."""
    once = once_of("", submission, digest=digest)
    assert once is not None
    return Once(key=f"{_OWN}{once.body}", body=once.body)


def behind(once: Once, task_id: str) -> Once:
    """What another attempt at the same content is told by, now that `task_id` has ended without a result."""
    return Once(key=_OWN + hashlib.sha256(f"{once.key} {task_id}".encode()).hexdigest(), body=once.body)


async def earlier(redis: Redis, submission: Submission) -> str | None:
    """The id of the task that the same submission has created before, as far as can be seen now. Raises `KeyReused`."""
    if submission.once is None:
        return None
    fields = await redis.hgetall(keys.once(submission.owner, submission.once.key))
    if not fields or not await redis.exists(keys.task(task_id := fields[b"task_id"].decode())):
        return None
    if fields[b"body"].decode() != submission.once.body:
        raise KeyReused
    return task_id


def conflict() -> Problem:
    """The refusal of a key that stands for something else."""
    return Problem(
        409,
        "idempotency_conflict",
        f"The {HEADER} was used before with another recording or other options. Send a new key with what is new.",
    )
