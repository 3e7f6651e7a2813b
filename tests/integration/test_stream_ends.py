"""What streams carry of a whole task: its text to the letter, one end whatever happens, and no second task."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from services.gateway.settings import Settings
from shared.errors import Permanent
from shared.messages import Document, Segment, StageName, Step, Transcript
from shared.settings import BaseSettings
from shared.stage import Emit, Stage, Work
from tests.fakes.form import wav
from tests.fakes.gateway import frames, served
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import working

ODD = 'a\u2028b\x0bc\x85d\r\ne\rf\n"q" \U0001f642 \x1f \ufeff data: x\n\nid: 9'
STREAM = "/audio/process-stream-realtime"


async def murmur(work: Work, engine: FakeEngine, emit: Emit) -> Document:
    """Says one odd sentence."""
    await work.compute(engine.do, 1)
    segment = Segment(index=1, start=0, end=1, text=ODD, language="en")
    await emit.segments([segment], done=1.0)
    step = Step.TRANSCRIPTION_COMPLETE
    emit.step(step, Transcript(transcript=ODD, language="en", duration=1.0, segments=(segment,)))
    return Document(segments=1, duration=1.0, language="en", coverage=1.0)


@asynccontextmanager
async def mesh(
    settings: Settings, base: BaseSettings, asr: Stage, engine: FakeEngine
) -> AsyncGenerator[httpx.AsyncClient]:
    """A gateway with workers of asr and nlp."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working(asr, engine, base))
        await stack.enter_async_context(working(STAGES[StageName.NLP], FakeEngine(), base))
        yield await stack.enter_async_context(served(settings))


async def submitted(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The events of a new task, to its end."""
    async with client.stream("POST", STREAM, files={"audio": wav()}) as response:
        assert response.status_code == 200
        return [json.loads(event) async for _, event in frames(response)]


async def test_s07_what_the_recogniser_says_arrives_to_the_letter(
    gateway_settings: Settings, settings: BaseSettings
) -> None:
    """Line ends of all kinds, control characters, and text that looks like a field of the stream."""
    asr = Stage(name=StageName.ASR, run=murmur, partial=STAGES[StageName.ASR].partial)
    async with mesh(gateway_settings, settings, asr, FakeEngine()) as client:
        events = await submitted(client)
    texts = [event["partial_result"]["transcript"] for event in events if event["step"] in _WITH_TEXT]
    assert texts == [ODD] * 3


_WITH_TEXT = ("transcription", "transcription_complete", "completed")


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_s11_a_failure_is_an_event_and_the_end(
    gateway_settings: Settings, settings: BaseSettings, at: int
) -> None:
    """Before the first partial result, between two, or at the last: one terminal event with a code, and no more."""

    def fail(number: int) -> None:
        if number == at:
            raise Permanent("unsupported_media", "This is no recording.")

    async with mesh(gateway_settings, settings, STAGES[StageName.ASR], FakeEngine(fail)) as client:
        events = await submitted(client)
    steps = [event["step"] for event in events]
    assert [step for step in steps if Step(step).terminal] == steps[-1:] == ["failed"]
    assert events[-1]["error"]["code"] == "unsupported_media"
    assert steps.count("transcription") == at - 1


async def test_s09_a_client_that_always_comes_back_makes_no_second_task(
    gateway_settings: Settings, settings: BaseSettings
) -> None:
    """It opens the stream anew whenever it ends, with the last id, and repeats its POST with the same key: the
    recording is heard once, and at the end it is told that there is no more."""
    heard: list[int] = []
    engine = FakeEngine(heard.append)
    key = {"Idempotency-Key": "once"}
    async with mesh(gateway_settings, settings, STAGES[StageName.ASR], engine) as client:
        task_ids: set[str] = set()
        last_id = ""
        for _ in range(5):
            async with client.stream("POST", STREAM, files={"audio": wav()}, headers=key) as response:
                task_ids.add(response.headers["x-task-id"])
                seen = [event async for event in frames(response)]
            last_id, end = seen[-1]
            assert b'"step":"completed"' in end
        (task_id,) = task_ids
        for _ in range(10):
            async with asyncio.timeout(30):
                again = await client.get(f"{STREAM}?task_id={task_id}", headers={"Last-Event-ID": last_id})
            assert (again.status_code, again.content) == (204, b"")
        tasks = (await client.get("/audio/tasks")).json()["tasks"]
    assert [task["task_id"] for task in tasks] == [task_id]
    assert heard == [1, 2, 3]
