"""The clock of an attempt: what it counts as work, and what as rest."""

import asyncio
from contextlib import suppress

from shared.pace import OutOfTime, Pace


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
