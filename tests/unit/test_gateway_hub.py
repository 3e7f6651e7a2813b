"""The hub's talk with Redis, answer by answer."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from services.gateway.events import hub as hub_module
from services.gateway.events._pubsub import Push
from services.gateway.events.hub import Hub
from shared import keys
from shared.redis import Redis
from tests.conftest import wait_until

CHANNEL = keys.channel("t1").encode()


class Connection:
    """A connection whose answers come when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: asyncio.Queue[Push] = asyncio.Queue()

    async def subscribe(self, channels: Iterable[bytes]) -> None:
        self.asked += ["subscribe"] * len(list(channels))

    async def unsubscribe(self, channels: Iterable[bytes]) -> None:
        self.asked += ["unsubscribe"] * len(list(channels))

    async def ping(self) -> None:
        self.answers.put_nowait(Push(b"pong"))

    async def read(self) -> Push:
        return await self.answers.get()


async def test_a_late_answer_is_not_taken_for_a_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client leaves and another comes while the answers to SUBSCRIBE and UNSUBSCRIBE are under way."""
    connection = Connection()

    @asynccontextmanager
    async def listener(_: Redis) -> AsyncGenerator[Connection]:
        yield connection

    async def asked(*commands: str) -> None:
        description = f"the hub has asked for {commands}"
        await wait_until(lambda: connection.asked == list(commands), description=description)

    monkeypatch.setattr(hub_module, "listener", listener)
    async with Hub(cast("Redis", None)).running() as hub:
        first = hub.open("t1", after=0)
        await asked("subscribe")
        first.close()
        await asked("subscribe", "unsubscribe")
        connection.answers.put_nowait(Push(b"subscribe", CHANNEL))
        topic = hub.open("t1", after=0).topic
        await wait_until(lambda: topic.live, description="the first answer is taken for the second client's")
        connection.answers.put_nowait(Push(b"unsubscribe", CHANNEL))
        await asked("subscribe", "unsubscribe", "subscribe")
        assert not topic.live
        connection.answers.put_nowait(Push(b"subscribe", CHANNEL))
        await wait_until(lambda: topic.live, description="the subscription stands")
