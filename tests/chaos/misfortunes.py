"""What befalls a mesh, one after the other."""

import asyncio
import random
from collections import Counter
from typing import NamedTuple

from tests.chaos.fleet import Fleet
from tests.chaos.recoveries import Recoveries
from tests.conftest import RedisServer
from tests.fakes.relay import Relay

CUT_SECONDS = 5.0
KINDS = 6


class Tempo(NamedTuple):
    """How long the pauses between misfortunes are, at least and at most, and how long leases last."""

    pauses: tuple[float, float]
    lease_seconds: float

    @property
    def mean_pause(self) -> float:
        return sum(self.pauses) / 2

    @property
    def stall_seconds(self) -> float:
        """Longer than a lease lasts."""
        return self.lease_seconds + 1.0


class Misfortunes:
    """Six kinds of them, each as often as the others, in an order that is `fate`'s. `happened` counts them."""

    def __init__(
        self,
        fleet: Fleet,
        server: RedisServer,
        cable: Relay,
        recoveries: Recoveries,
        *,
        fate: random.Random,
        tempo: Tempo,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._fleet = fleet
        self._server = server
        self._cable = cable
        self._recoveries = recoveries
        self._fate = fate
        self._tempo = tempo
        self._restarting = asyncio.Lock()

    async def strike(self, rounds: int) -> None:
        """Returns when all have passed: `KINDS` times `rounds` of them."""
        kinds = [self.kill, self.tell_to_stop, self.stall, self.restart_redis, self.cut_redis_off, self.kill_gateway]
        order = kinds * rounds
        self._fate.shuffle(order)
        async with asyncio.TaskGroup() as group:
            for misfortune in order:
                await asyncio.sleep(self._fate.uniform(*self._tempo.pauses))
                self.happened[misfortune.__name__] += 1
                group.create_task(misfortune(), name=misfortune.__name__)

    async def kill(self) -> None:
        """A worker is gone at once, and with it what it had in hand."""
        jobs = await self._recoveries.in_hand()
        worker = self._fleet.pick(self._fate)  # and gone before another misfortune can befall it
        self._fleet.kill(worker)
        await self._recoveries.follow([job for job in jobs if job.is_of(worker.process.pid)])

    async def tell_to_stop(self) -> None:
        """A worker hands back what it has in hand."""
        self._fleet.tell_to_stop(self._fleet.pick(self._fate))

    async def stall(self) -> None:
        """A worker stands still for longer than its leases last, and then goes on as if nothing had been."""
        worker = self._fleet.pick(self._fate)
        self._fleet.pause(worker)
        await asyncio.sleep(self._tempo.stall_seconds)
        self._fleet.wake(worker)

    async def restart_redis(self) -> None:
        """Redis comes back with its data."""
        async with self._restarting:
            await asyncio.to_thread(self._server.stop)
            await asyncio.to_thread(self._server.start)

    async def cut_redis_off(self) -> None:
        """All connections to Redis break, or fall silent; what was under way then arrives late."""
        await self._fate.choice([self._cable.cut, self._cable.fall_silent])(CUT_SECONDS)

    async def kill_gateway(self) -> None:
        """A gateway is gone at once, and with it its streams and uploads."""
        self._fleet.kill_gateway()
