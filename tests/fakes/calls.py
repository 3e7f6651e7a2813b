"""What tests of direct calls have in common."""

import threading
from collections.abc import Callable, Iterable

from shared.messages import Record, Segment
from shared.redis import Redis
from tests.conftest import wait_until

LATER, MANY = 65, 70
"""A stage takes 64 sentences at a time: the rest is another batch."""
TEXTS = [f"Sentence {number}." for number in range(1, MANY + 1)]


def once(number: int, do: Callable[[], object]) -> Callable[[int], None]:
    """What a fake engine does: `do` at segment `number`, the first time it gets there."""
    done = threading.Event()

    def at(current: int) -> None:
        if current == number and not done.is_set():
            done.set()
            do()

    return at


async def left(redis: Redis) -> list[str]:
    """The keys of tasks, of jobs and of the list of tasks that are still there."""
    return [
        key.decode() async for key in redis.scan_iter() if key.startswith((b"vm:{", b"vm:tasks", b"arq:", b"vm:watch"))
    ]


async def until_nothing_is_left(redis: Redis) -> None:
    """Returns when its worker, too, has let go of a call."""

    async def clean() -> bool:
        return not await left(redis)

    await wait_until(clean, description="the call has left nothing")


async def wait_for_keys(redis: Redis) -> None:
    """Returns when a call is in Redis."""

    async def submitted() -> bool:
        return bool(await left(redis))

    await wait_until(submitted, description="the call is submitted")


def numbers(records: Iterable[Record]) -> list[int]:
    """Of the segments among the records."""
    return [record.index for record in records if isinstance(record, Segment)]
