"""The mesh on one machine: Redis, the gateway and the workers side by side, until told to stop.

Order matters only at the end: the services go first and have Redis to hand their work back to, Redis goes last.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from deploy.local import readiness
from deploy.local.child import Child, ChildDied, Command, Tell
from deploy.local.home import prepare, write_environ
from deploy.local.malloc import for_worker
from deploy.local.port import address, check_port, free_port, reachable
from deploy.local.redis_server import make_server
from shared.messages import StageName
from shared.settings import names_redis

T = TypeVar("T")

SERVICES_STOP_SECONDS = 7.0
REDIS_STOP_SECONDS = 2.0
"""Together under the ten seconds within which everything has stopped."""
LAST_WORDS_SECONDS = "4"
"""What workers and gateway get to finish what they have in hand, unless the environment says otherwise."""
REDIS_STARTS = 3
"""The free port of the embedded Redis may be taken by another program before Redis gets to it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `environ` is what the services get, on top of which come the addresses of this mesh."""

    home: Path
    host: str
    port: int
    environ: Mapping[str, str]
    workers: Mapping[StageName, Sequence[str]]
    """The command of each stage's worker; of a stage that is not here there is none."""


def plan(home: Path, environ: Mapping[str, str], *, host: str = "127.0.0.1", port: int = 0) -> Plan:
    """The five services as installed; port 0 takes a free one. Raises `SettingsError` when the address is taken."""
    port = port or free_port(host)
    check_port(host, port)
    workers = {stage: python_module(f"services.{stage}.worker") for stage in StageName}
    return Plan(home=home, host=host, port=port, environ=environ, workers=workers)


def python_module(name: str) -> Sequence[str]:
    """The command that runs an installed module; the current folder cannot put another in its place."""
    return (sys.executable, "-P", "-m", name)


@asynccontextmanager
async def running(plan: Plan, *, tell: Tell) -> AsyncGenerator["Mesh"]:
    """A mesh that could take a task and finish it; after the block no process of it is left.

    Raises `ChildDied` with the end of its log when a process dies before that."""
    mesh = Mesh(plan, tell)
    try:
        await mesh.start()
        yield mesh
    finally:
        await mesh.stop()


class Mesh:
    """The processes of a plan."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self.url = address(reachable(plan.host), plan.port)
        self.redis_url = plan.environ.get("REDIS_URL", "")
        self._plan = plan
        self._tell = tell
        self._redis: Child | None = None
        self._services: list[Child] = []

    @property
    def children(self) -> Sequence[Child]:
        """Every process, in the order in which they start."""
        return [self._redis, *self._services] if self._redis else self._services

    async def start(self) -> None:
        """Start everything; returns when it is ready. Raises `SettingsError` when there is no place for it."""
        prepare(self._plan.home)
        if not names_redis(self._plan.environ):
            await self._start_redis()
        addresses = self._addresses()
        write_environ(self._plan.home, addresses)
        environ = {**self._plan.environ, **addresses, "PYTHONUNBUFFERED": "1"}
        strangers = await self._alive(readiness.registered_workers(environ))
        commands = {"gateway": python_module("services.gateway.app"), **self._plan.workers}
        for name, argv in commands.items():
            child = self._child(Command(name=name, argv=tuple(argv), environ=for_worker(name, environ)))
            self._services.append(child)
            await child.start()
        stages = self._plan.workers
        await self._alive(readiness.mesh_ready(environ, self.url, stages=stages, strangers=strangers, tell=self._tell))

    async def keep_while(self, work: Awaitable[T]) -> T:
        """What `work` returns. Each process that dies meanwhile is started again.

        What `work` raises comes in a group."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(child.keep(self._tell), name=f"keep {child.name}") for child in self.children]
            try:
                return await work
            finally:
                for keeper in keepers:
                    keeper.cancel()

    async def stop(self) -> None:
        """Stop everything within ten seconds."""
        (self._plan.home / "env").unlink(missing_ok=True)
        services = (child.stop(seconds=SERVICES_STOP_SECONDS) for child in self._services)
        try:
            await asyncio.gather(*services)
        finally:
            if self._redis:
                await self._redis.stop(seconds=REDIS_STOP_SECONDS)

    async def _start_redis(self) -> None:
        for start in range(1, REDIS_STARTS + 1):
            server = make_server(self._plan.home / "redis")
            self._redis = self._child(server.command(self._plan.environ))
            self.redis_url = server.url
            await self._redis.start()
            try:
                await self._alive(readiness.redis_loaded(server.url))
            except ChildDied:
                if start == REDIS_STARTS:
                    raise
            else:
                return

    def _addresses(self) -> Mapping[str, str]:
        """What ties the services to this mesh; of the folders and limits, the environment's own come first."""
        home, given = self._plan.home, self._plan.environ
        defaults = {
            "BLOB_URL": (home / "blobs").as_uri(),
            "SPOOL_DIR": str(home / "spool"),
            "DRAIN_SECONDS": LAST_WORDS_SECONDS,
            "SHUTDOWN_SECONDS": LAST_WORDS_SECONDS,
        }
        return {
            **{name: given.get(name) or value for name, value in defaults.items()},
            **({"REDIS_URL": self.redis_url} if self.redis_url else {}),
            "HOST": self._plan.host,
            "PORT": str(self._plan.port),
        }

    def _child(self, command: Command) -> Child:
        log = self._plan.home / "logs" / f"{command.name}.log"
        log.write_bytes(b"")
        return Child(command, log=log)

    async def _alive(self, waiting: Awaitable[T]) -> T:
        """What `waiting` returns; raises `ChildDied` as soon as a process dies instead."""
        goal = asyncio.ensure_future(waiting)
        deaths = {asyncio.create_task(child.died(self._tell), name=child.name): child for child in self.children}
        try:
            await asyncio.wait([goal, *deaths], return_when=asyncio.FIRST_COMPLETED)
            for death, child in deaths.items():
                if death.done():
                    raise ChildDied(child.name, status=death.result(), tail=child.tail())
            return await goal
        finally:
            for task in (goal, *deaths):
                task.cancel()
            await asyncio.gather(goal, *deaths, return_exceptions=True)
