"""When Python's collector may look at everything: not while events wait.

Each open stream is some sixty objects that live for minutes. Left to itself, the collector goes through all of them
again and again while streams open, and now and then afterwards: with 5,000 streams a third of a second, in which every
event is late. A stream that ends leaves nothing for it to find, so it need not look: it goes through what is young, a
few objects at a time, and through everything when no stream is open, or else every ten minutes.
"""

import asyncio
import gc
from collections.abc import Callable

YOUNG, ROUNDS = 2_000, 10
"""New objects before the youngest are gone through, and such rounds before those that outlived one are: some 15 ms."""
LOOK_SECONDS = 10.0
LOOKS = 60
"""So many times it is left be while streams are open."""


def spare_the_old() -> None:
    """Set the collector up. What there is by now, all that was imported, is never gone through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, ROUNDS, 1_000_000_000)


async def collect_the_old(busy: Callable[[], bool]) -> None:
    """Go through everything from time to time, if anything has outlived two rounds, for ever. `busy` tells whether
    anybody would be held up."""
    looks = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        looks += 1
        if gc.get_count()[2] and (looks >= LOOKS or not busy()):
            gc.collect()
            looks = 0
