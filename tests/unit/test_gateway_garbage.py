"""The gateway's garbage goes when nobody waits."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from services.gateway import garbage
from tests.conftest import wait_until


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def by_hand() -> Iterator[None]:
    """The collector does nothing by itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("by_hand")
async def test_what_is_old_goes_when_no_stream_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there are streams it stays; they would be held up."""
    monkeypatch.setattr(garbage, "LOOK_SECONDS", 0.001)
    looks: list[bool] = []
    knot = Knot()
    gc.collect(0)
    gc.collect(1)
    seen = weakref.ref(knot)
    del knot

    def busy() -> bool:
        looks.append(seen() is not None)
        return len(looks) < 4

    task = asyncio.create_task(garbage.collect_the_old(busy))
    await wait_until(lambda: seen() is None, description="the knot is undone")
    task.cancel()
    assert looks == [True] * 4


@pytest.mark.usefixtures("by_hand")
async def test_what_is_old_goes_in_the_end_though_streams_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many looks they have to wait for once."""
    monkeypatch.setattr(garbage, "LOOK_SECONDS", 0.001)
    knot = Knot()
    gc.collect(0)
    gc.collect(1)
    seen = weakref.ref(knot)
    del knot
    task = asyncio.create_task(garbage.collect_the_old(lambda: True))
    await wait_until(lambda: seen() is None, description="the knot is undone")
    task.cancel()
