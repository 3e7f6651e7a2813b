"""Continuous batching: what waits at the same time is computed together, and misfortune is not shared."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from shared.inference.batches import Batches
from shared.inference.device import Device
from tests.conftest import wait_until


class Model:
    """Doubles numbers when it is let; remembers its calls. Fails for a negative one."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go_on = threading.Event()

    def double(self, numbers: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(numbers))
        self.go_on.wait(10)
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device(patience_seconds=5)
    yield device
    device.close()


async def test_nobody_waits_for_a_batch_to_fill(device: Device) -> None:
    """The first request is computed at once and alone; what comes meanwhile, together and in order, up to the limit."""
    batches, model = Batches(device), Model()
    first = batches.ask(model.double, 1, most=3)
    await wait_until(lambda: bool(model.calls), description="the first call has begun")
    others = [batches.ask(model.double, number, most=3) for number in (2, 3, 4, 5)]
    assert not others[0].begun.is_set()
    model.go_on.set()
    answers = await asyncio.gather(*(request.answer for request in (first, *others)))
    assert answers == [2, 4, 6, 8, 10]
    assert model.calls == [[1], [2, 3, 4], [5]]


async def test_urgent_requests_go_first_and_heavy_ones_are_not_starved(device: Device) -> None:
    """A batch is filled by weight: the first in line always goes, and lighter ones fill up behind it."""
    batches, model = Batches(device), Model()
    batches.ask(model.double, 0)
    await wait_until(lambda: bool(model.calls), description="the first call has begun")
    weights = {1: 2.0, 2: 9.0, 3: 1.0}
    requests = [batches.ask(model.double, item, weight=weight, most=4) for item, weight in weights.items()]
    requests.append(batches.ask(model.double, 4, most=4, urgent=True))
    model.go_on.set()
    await asyncio.gather(*(request.answer for request in requests))
    assert model.calls == [[0], [4, 1, 3], [2]]


async def test_the_others_do_not_fail_with_one(device: Device) -> None:
    """When a call for several fails each is tried alone: only the one at fault gets the error."""
    batches, model = Batches(device), Model()
    batches.ask(model.double, 0)
    await wait_until(lambda: bool(model.calls), description="the first call has begun")
    requests = [batches.ask(model.double, number, most=3) for number in (1, -1, 2)]
    model.go_on.set()
    answers = await asyncio.gather(*(request.answer for request in requests), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 4)
    assert isinstance(answers[1], ValueError)
    assert await batches.ask(model.double, 3).answer == 6


async def test_who_leaves_is_not_computed_and_takes_nobody_along(device: Device) -> None:
    """A request that is given up while it waits is left out; one given up in a running call lets the others have it."""
    batches, model = Batches(device), Model()
    running = [batches.ask(model.double, 1), batches.ask(model.double, 2)]
    await wait_until(lambda: bool(model.calls), description="the first call has begun")
    waiting = [batches.ask(model.double, number, most=2) for number in (3, 4)]
    waiting[0].answer.cancel()
    model.go_on.set()
    assert await waiting[1].answer == 8
    assert await running[1].answer == 4
    assert all(3 not in call for call in model.calls)


async def test_a_call_that_nobody_waits_for_is_unwanted(device: Device) -> None:
    """When all who share a call have left, the device is told; it is free again when the call has really ended."""
    batches, model = Batches(device), Model()
    left = batches.ask(model.double, 1)
    await wait_until(lambda: bool(model.calls), description="the call has begun")
    left.answer.cancel()
    following = batches.ask(model.double, 2)
    await asyncio.sleep(0)
    assert model.calls == [[1]]
    model.go_on.set()
    assert await following.answer == 4
