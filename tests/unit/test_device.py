"""The engine's thread: one computation at a time, also when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from shared.inference.device import Device, give_way
from tests.conftest import wait_until


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device(patience_seconds=0.05)
    yield device
    device.close()


async def test_turns_come_in_order(device: Device) -> None:
    """Whoever asked first computes first, and no two compute at the same time."""
    done: list[int] = []
    await asyncio.gather(*(device.compute(done.append, number) for number in range(20)))
    assert done == list(range(20))


async def test_r08_device_is_free_when_the_work_has_really_ended(device: Device) -> None:
    """A computation whose caller has left keeps the next one waiting; both are never at work together."""
    begun, finish = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        finish.wait(10)

    left = asyncio.create_task(device.compute(work))
    await wait_until(begun.is_set, description="the computation has begun")
    left.cancel()
    await asyncio.wait([left])
    following = asyncio.create_task(device.compute(finish.is_set))
    await asyncio.wait_for(device.stuck.wait(), 30)
    assert not following.done()
    finish.set()
    assert await following


async def test_an_error_leaves_the_device_free(device: Device) -> None:
    """What a computation raises reaches its caller, and the next one may compute."""
    with pytest.raises(ZeroDivisionError):
        await device.compute(lambda: 1 // 0)
    assert await device.compute(lambda: 7) == 7
    assert not device.stuck.is_set()


async def test_who_leaves_while_waiting_gives_the_turn_on(device: Device) -> None:
    """A task that is cancelled before its turn neither computes nor blocks those behind it."""
    begun, finish = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        finish.wait(10)

    first = asyncio.create_task(device.compute(work))
    await wait_until(begun.is_set, description="the computation has begun")
    impatient = asyncio.create_task(device.compute(lambda: 1))
    last = asyncio.create_task(device.compute(lambda: 2))
    await asyncio.sleep(0)
    impatient.cancel()
    finish.set()
    assert await last == 2
    await first
    assert impatient.cancelled()


async def test_long_work_ends_when_nobody_waits(device: Device) -> None:
    """Between two batches it learns that its caller has left; the next one computes unharmed."""
    batches: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        for number in range(1000):
            give_way()
            batches.append(number)
            begun.set()
            go_on.wait(10)

    left = asyncio.create_task(device.compute(work))
    await wait_until(begun.is_set, description="the computation has begun")
    left.cancel()
    await asyncio.wait([left])
    go_on.set()
    await device.compute(give_way)
    assert batches == [0]
