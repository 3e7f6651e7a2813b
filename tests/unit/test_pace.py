"""The clock of an attempt: what it counts as work, and what as rest."""

import asyncio
from contextlib import suppress

import pytest

from shared.runner.pace import OutOfTime, Pace


async def rest(pace: Pace, *, at_most: float) -> None:
    """Waits for others, who never come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most):
            await pace.rest(asyncio.Event().wait())


async def test_a_wait_that_is_cut_short_was_a_rest() -> None:
    """Whoever is stopped while waiting for others has not worked meanwhile."""
    async with Pace(60.0) as pace:
        await rest(pace, at_most=1.0)
        assert pace.rested_seconds >= 0.99
        assert pace.worked_seconds < 0.9


async def test_the_clock_goes_on_behind_a_wait_that_is_cut_short() -> None:
    """The limit is still one."""

    async def work() -> None:
        async with Pace(0.2) as pace:
            await rest(pace, at_most=0.4)
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    ended, _ = await asyncio.wait([working], timeout=60)
    working.cancel()
    assert ended
    assert isinstance(working.exception(), OutOfTime)


async def test_two_rests_at_a_time_are_one() -> None:
    """The clock stands until the later one is over, in whichever order they began, and their time is not added up."""
    async with Pace(60.0) as pace, asyncio.TaskGroup() as group:
        for at_most in (1.0, 0.5, 0.75):
            group.create_task(rest(pace, at_most=at_most))
    assert 0.99 <= pace.rested_seconds < 2.0

    async def work(pace: Pace) -> None:
        async with pace, asyncio.TaskGroup() as group:
            group.create_task(rest(pace, at_most=0.05))
            group.create_task(rest(pace, at_most=1.0))

    await work(Pace(0.5))  # else it is out of time


async def test_who_begins_to_rest_when_time_is_over_is_out_of_time_all_the_same() -> None:
    """The clean-up may wait for others, too."""

    async def work() -> None:
        async with Pace(0.1) as pace:
            try:
                await asyncio.Event().wait()
            finally:
                await pace.rest(asyncio.sleep(0))

    with pytest.raises(OutOfTime):
        await work()
