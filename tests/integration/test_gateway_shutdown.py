"""S14: a gateway stops while its clients watch, and they go on at another."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from subprocess import Popen

import httpx
import msgspec

from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.gateway import blocks, frames, until_ready
from tests.fakes.task import LiveTask
from tests.mesh import gateway_process

CLIENTS, TASKS = 50, 10


class Replica(msgspec.Struct):
    """A gateway process and a client of it."""

    process: "Popen[bytes]"
    client: httpx.AsyncClient
    port: int


@asynccontextmanager
async def replica(settings: BaseSettings) -> AsyncGenerator[Replica]:
    """A gateway of its own, ready."""
    port = free_port()
    limits = httpx.Limits(max_connections=None)
    base = f"http://127.0.0.1:{port}"
    with gateway_process(settings, port=port, environ={"SHUTDOWN_SECONDS": "60"}) as process:
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False, limits=limits) as client:
            await until_ready(client)
            yield Replica(process, client, port)


class Watcher:
    """A client that comes back where its stream ended, to the next replica, until it has seen the last event."""

    def __init__(self, path: str, tasks: list[LiveTask]) -> None:
        self.path = path
        self.tasks = tasks
        self.seen: list[bytes] = []
        self.hints: list[int] = []
        self.connections = 0

    async def watch(self, replicas: list[Replica]) -> None:
        last_id = ""
        for place in replicas:
            async with place.client.stream("GET", self.path, headers={"Last-Event-ID": last_id}) as response:
                assert response.status_code == 200
                self.connections += 1
                async for block in blocks(response):
                    fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
                    if b"data" in fields:
                        last_id = fields[b"id"].decode()
                        self.seen.append(fields[b"data"])
                    if b"retry" in fields:
                        self.hints.append(int(fields[b"retry"]))

    def events_of(self, task: LiveTask) -> list[bytes]:
        mark = b'"task_id":"%b"' % task.task_id.encode()
        return [event for event in self.seen if mark in event]


def watchers_of(tasks: list[LiveTask]) -> list[Watcher]:
    """Fifty clients, of which every fifth watches three tasks on one stream."""
    watchers: list[Watcher] = []
    for number in range(CLIENTS):
        some = [tasks[(number + offset) % TASKS] for offset in range(3 if number % 5 == 0 else 1)]
        path = f"/audio/tasks/{some[0].task_id}/events"
        if len(some) > 1:
            path = "/audio/events?" + "&".join(f"task_id={task.task_id}" for task in some)
        watchers.append(Watcher(path, some))
    return watchers


async def say_something(tasks: list[LiveTask]) -> None:
    """Six events of each task."""
    for number in range(6):
        for task in tasks:
            await task.say(f"Word {number}.")


async def test_s14_fifty_clients_go_on_at_another_gateway(redis: Redis, settings: BaseSettings) -> None:
    """SIGTERM ends their streams with a hint when to come back, the process leaves with 0, and with the second gateway
    each client gets each event once and in order."""
    tasks = [await LiveTask(redis).create() for _ in range(TASKS)]
    watchers = watchers_of(tasks)
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(replica(settings)) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for watcher in watchers:
                group.create_task(watcher.watch([one, two]))
            await say_something(tasks)
            await wait_until(lambda: all(w.seen for w in watchers), description="every client has had an event")
            one.process.send_signal(signal.SIGTERM)
            before = time.monotonic()
            await say_something(tasks)
            # A client that has the last event of a task is answered 204, and the first gateway may still send it.
            await wait_until(lambda: all(w.connections == 2 for w in watchers), description="all are at the second one")
            for task in tasks:
                await task.complete()
        await wait_until(lambda: one.process.poll() is not None, description="the first gateway has left")
        assert one.process.returncode == 0
        assert time.monotonic() - before < 30
    for watcher in watchers:
        assert watcher.connections == 2
        assert watcher.hints[0] == 2000
        assert 1000 <= watcher.hints[1] <= 4000
        for task in watcher.tasks:
            assert watcher.events_of(task) == task.log
        assert len(watcher.seen) == sum(len(task.log) for task in watcher.tasks)


async def test_s14_a_client_that_does_not_read_holds_up_nothing(redis: Redis, settings: BaseSettings) -> None:
    """It never reads the end of its stream, and the process leaves without it, well within its grace."""
    task = await LiveTask(redis).create()
    for _ in range(40):
        await task.say("x" * 20_000)
    async with replica(settings) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(f"GET /audio/tasks/{task.task_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with gateway.client.stream("GET", f"/audio/tasks/{task.task_id}/events") as response:
                assert (await anext(frames(response)))[0] == "1-0"  # by now the other one has its stream, too
            gateway.process.send_signal(signal.SIGTERM)
            before = time.monotonic()
            await wait_until(lambda: gateway.process.poll() is not None, description="the gateway has left")
    assert gateway.process.returncode == 0
    assert time.monotonic() - before < 30
