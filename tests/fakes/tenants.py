"""Two tenants of a gateway, and a stranger."""

import asyncio
from collections.abc import Sequence

import httpx

from shared.apikeys import entry_of, make
from tests.fakes.form import form, part, wav

WEB, BATCH, STRANGER = make(), make(), make()
"""Their keys."""
ENTRIES = f"{entry_of('web', WEB)},{entry_of('batch', BATCH)}"

SOUND = form(part("audio", wav(), disposition='; filename="a.wav"'))
"""A recording of a second, as a form."""
FORM = {"Content-Type": "multipart/form-data; boundary=X"}


def bearing(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


async def posted(client: httpx.AsyncClient, key: str, *, body: bytes = SOUND, once: str = "") -> httpx.Response:
    """The answer to a submission. `once` is its idempotency key."""
    headers = FORM | bearing(key) | ({"Idempotency-Key": once} if once else {})
    return await client.post("/audio/tasks", content=body, headers=headers)


async def submitted(client: httpx.AsyncClient, key: str) -> str:
    """The id of a new task of the key's owner."""
    answer = await posted(client, key)
    assert answer.status_code == 202, answer.text
    return answer.json()["task_id"]


async def statuses(calls: Sequence[asyncio.Task[httpx.Response]]) -> list[int]:
    """How the calls were answered."""
    return [answer.status_code for answer in await asyncio.gather(*calls)]
