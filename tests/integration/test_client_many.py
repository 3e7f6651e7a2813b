"""`MeshClient` with several tasks on one stream, and `transcribe`, which waits for the result."""

from collections.abc import Sequence

import pytest

from shared.client import MeshClient, MeshRefused, TaskFailed, Update
from shared.messages import Step
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.fakes.form import wav
from tests.fakes.receiver import answer, receiving
from tests.fakes.task import LiveTask
from tests.mesh import gateway_process


def by_task(updates: Sequence[Update]) -> dict[str, list[bytes]]:
    """What came of each task, in the order in which it came."""
    found: dict[str, list[bytes]] = {}
    for update in updates:
        found.setdefault(update.task_id, []).append(update.data)
    return found


async def test_s12_several_tasks_come_over_one_connection(redis: Redis, settings: BaseSettings) -> None:
    """Each event of each task once and in order, across the loss of the gateway in mid-stream; the last end is the end
    of it, and who goes on behind an event gets the rest alone."""
    port = free_port()
    tasks = [await LiveTask(redis).create() for _ in range(3)]
    task_ids = [task.task_id for task in tasks]
    async with MeshClient(f"http://127.0.0.1:{port}") as client:
        updates = client.events_of(task_ids, deadline=60)
        with gateway_process(settings, port=port):
            for task in tasks:
                await task.say("one")
            seen = [await anext(updates) for _ in tasks]
            await tasks[0].complete()
            seen.append(await anext(updates))
        await tasks[1].say("two")
        with gateway_process(settings, port=port):
            seen.append(await anext(updates))
            for task in tasks[1:]:
                await task.complete()
            seen += [update async for update in updates]
            rest = [update async for update in client.events_of(task_ids, after=seen[3].id)]
            nothing = [update async for update in client.events_of(task_ids, after=seen[-1].id)]
    assert by_task(seen) == {task.task_id: task.log for task in tasks}
    assert by_task(rest) == by_task(seen[4:])
    assert nothing == []


async def test_a_task_that_is_not_known_ends_at_once(redis: Redis, settings: BaseSettings) -> None:
    """Beside others it is `expired`; alone it is refused."""
    port = free_port()
    task = await LiveTask(redis).create()
    await task.complete()
    with gateway_process(settings, port=port):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            updates = [update async for update in client.events_of([task.task_id, "none"], deadline=30)]
            with pytest.raises(MeshRefused) as refused:
                await anext(client.events_of(["none"]))
    assert {update.task_id: update.step for update in updates} == {
        task.task_id: Step.COMPLETED,
        "none": Step.EXPIRED,
    }
    assert refused.value.code == "no_such_task"


async def test_transcribe_waits_for_the_result(mesh_url: str) -> None:
    """The result is that of the task, with what was asked for; as JSON it can be had, too."""
    async with MeshClient(mesh_url) as client:
        result = await client.transcribe(wav(), language="en", include_translation=True, deadline=60)
        as_json = await client.result_as(result.task_id, "json")
    assert (result.transcript, result.translation) == (
        "Sentence 1. Sentence 2. Sentence 3.",
        "Frase 1. Frase 2. Frase 3.",
    )
    assert as_json.startswith('{"task_id":"')


async def test_a_recording_by_its_url_goes_the_same_way(mesh_url: str) -> None:
    """Submitted, watched and transcribed; a URL that may not be fetched is refused for its own sake."""
    async with receiving(answer(200, wav())) as receiver, MeshClient(mesh_url) as client:
        url = f"{receiver.url}/calls/monday.wav"
        task_id = await client.submit(url, language="en")
        watched = [update async for update in client.watch(url, deadline=60)]
        result = await client.transcribe(url, deadline=60)
        assert (await client.task(task_id)).name == "monday.wav"
        with pytest.raises(MeshRefused) as refused:
            await client.submit("https://169.254.169.254/latest.wav")
    assert watched[-1].step is Step.COMPLETED
    assert result.transcript == "Sentence 1. Sentence 2. Sentence 3."
    assert (refused.value.code, refused.value.field) == ("bad_url", "audio_url")


async def test_transcribe_raises_when_there_is_no_result(settings: BaseSettings) -> None:
    """A task that ends in another way is an error with the code of its end."""
    port = free_port()
    with gateway_process(settings, port=port):
        async with MeshClient(f"http://127.0.0.1:{port}") as client:
            await client.cancel(await client.submit(wav(), idempotency_key="k"))
            with pytest.raises(TaskFailed) as failed:
                await client.transcribe(wav(), idempotency_key="k", deadline=30)
    assert failed.value.code == "cancelled"
