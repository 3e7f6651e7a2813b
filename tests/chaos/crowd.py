"""Those who use a mesh while it suffers, in all the ways there are, and what they have seen of it."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from shared.client import MeshClient, MeshRefused, Update
from shared.mesh import Mesh, Outcome
from shared.messages import StageName
from tests.bench.stand import short_wav

TEXT = "text"
CALL = "call"
SENTENCES = ["The first is short.", "The second is about the first.", "The third goes on.", "The fourth ends it."]
_CONFLICT = 409


class Kind(NamedTuple):
    """A way to use the mesh: the recording of that name, or a text, for a route, or a direct call of one stage."""

    source: str
    translation: bool = False
    insights: bool = False
    stage: StageName | None = None


SHORT = {"short": short_wav()}
KINDS = [
    *(
        Kind(source, translation, insights)
        for source in (*SHORT, TEXT)
        for translation in (False, True)
        for insights in (False, True)
    ),
    *(Kind(CALL, stage=stage) for stage in (StageName.TRANSLATE, StageName.NLP)),
]


class Plan(NamedTuple):
    """What somebody does. After so many events they leave and come back, or cancel; 0: they do not."""

    kind: Kind
    leaves_after: int = 0
    cancels_after: int = 0


class Seen(msgspec.Struct):
    """What somebody has seen. `error` says what has stopped them."""

    plan: Plan
    task_id: str = ""
    events: list[tuple[str, bytes]] = []
    outcome: Outcome | None = None
    error: str = ""


def plans(kinds: Sequence[Kind], count: int, fate: random.Random) -> list[Plan]:
    """Every kind as often as the others; every eighth task is cancelled, and every third client comes back."""
    made = [_plan(kinds[number % len(kinds)], number, fate) for number in range(count)]
    fate.shuffle(made)
    return made


def _plan(kind: Kind, number: int, fate: random.Random) -> Plan:
    some = fate.randint(1, 8)
    if number % 8 == 0:
        return Plan(kind, cancels_after=some)
    return Plan(kind, leaves_after=some if number % 3 == 0 else 0)


class Crowd:
    """People at the gateway behind `client`, and services on the Redis of `mesh`. They have these recordings, and do
    not wait for longer than `patience_seconds`."""

    def __init__(
        self, client: MeshClient, mesh: Mesh, recordings: Mapping[str, bytes], *, patience_seconds: float
    ) -> None:
        self._client = client
        self._mesh = mesh
        self._recordings = recordings
        self._patience_seconds = patience_seconds

    async def come(self, plans: Sequence[Plan], *, seconds: float) -> list[Seen]:
        """All of them come within so many seconds, evenly spread; returns when each has seen the end."""
        seen = [Seen(plan) for plan in plans]
        async with asyncio.TaskGroup() as group:
            for one in seen:
                group.create_task(self._use(one))
                await asyncio.sleep(seconds / len(plans))
        return seen

    async def _use(self, seen: Seen) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                if seen.plan.kind.stage:
                    deadline = self._patience_seconds
                    seen.outcome = await self._mesh.call(seen.plan.kind.stage, SENTENCES, deadline=deadline)
                else:
                    seen.task_id = await self._submit(seen.plan.kind)
                    while not await self._follow(seen):
                        pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen, and is part of the verdict
            seen.error = repr(error)

    async def _submit(self, kind: Kind) -> str:
        wanted: Any = {"language": "en", "include_translation": kind.translation, "include_insights": kind.insights}
        if kind.source == TEXT:
            return await self._client.submit_text(" ".join(SENTENCES), **wanted)
        return await self._client.submit(self._recordings[kind.source], **wanted)

    async def _follow(self, seen: Seen) -> bool:
        """Whether the task has ended; otherwise its client has just left."""
        after = seen.events[-1][0] if seen.events else ""
        async with aclosing(self._client.events(seen.task_id, after=after)) as updates:
            async for update in updates:
                if await self._take(seen, update):
                    return False
        return True

    async def _take(self, seen: Seen, update: Update) -> bool:
        """Whether the client leaves now."""
        if update.id:
            seen.events.append((update.id, update.data))
        if len(seen.events) == seen.plan.cancels_after and not update.step.terminal:
            await self._cancel(seen.task_id)
        return len(seen.events) == seen.plan.leaves_after and not update.step.terminal

    async def _cancel(self, task_id: str) -> None:
        try:
            await self._client.cancel(task_id)
        except MeshRefused as refused:
            if refused.status != _CONFLICT:  # it has ended meanwhile
                raise
