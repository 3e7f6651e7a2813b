"""The result endpoint over real HTTP."""

from typing import Any, cast

import httpx
import pytest

from shared import codec, events, keys, queue
from shared.messages import Failure, Notice, Options, Result, StageName, State
from shared.redis import Redis
from shared.scripts import Scripts, Submission
from tests.fakes.results import result_of, spoken
from tests.mesh import LIMITS

TASK = "t1"
TALK = result_of(
    [
        spoken("Good morning.", 0.5, 2.0, translation="Bom dia."),
        spoken("How are you?", 2.5, 4.0, translation="Como está?"),
    ],
    duration=5.0,
    task_id=TASK,
)


async def submitted(
    redis: Redis,
    *,
    name: str = "meeting.mp3",
    target: str | None = "pt",
    route: tuple[StageName, ...] = (StageName.ASR, StageName.NLP),
) -> Scripts:
    scripts = Scripts(redis, LIMITS)
    await redis.delete(keys.task(TASK))
    await scripts.submit(
        Submission(
            task_id=TASK,
            route=route,
            options=Options(target_language=target),
            job=queue.stage_job(TASK),
            blob=TASK,
            name=name,
        )
    )
    return scripts


async def completed(redis: Redis, result: Result = TALK, **kwargs: Any) -> bytes:
    """A task that went well. Answers the document as it is stored."""
    await submitted(redis, **kwargs)
    data = codec.encode_json(result)
    await redis.set(keys.result(TASK), data, px=60_000)
    await cast("Any", redis).hset(keys.task(TASK), "state", State.COMPLETED.value)
    return data


async def ask(client: httpx.AsyncClient, query: str = "", **headers: str) -> httpx.Response:
    return await client.get(f"/audio/tasks/{TASK}/result{query}", headers=headers)


async def refused(client: httpx.AsyncClient, query: str = "") -> dict[str, Any]:
    response = await ask(client, query)
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


async def test_json_is_the_document_as_it_is_stored(client: httpx.AsyncClient, redis: Redis) -> None:
    """To the letter, by default."""
    stored = await completed(redis)
    for query in ("", "?format=json", "?format=JSON"):
        response = await ask(client, query)
        assert (response.status_code, response.content) == (200, stored)
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "media_type", "begin"),
    [
        ("txt", "text/plain; charset=utf-8", "Good morning.\n"),
        ("srt", "application/x-subrip; charset=utf-8", "1\r\n00:00:00,500 --> 00:00:02,000\r\nGood morning.\r\n"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nGood morning.\n"),
        ("tsv", "text/tab-separated-values; charset=utf-8", "start\tend\ttext\n500\t2000\tGood morning.\n"),
    ],
)
async def test_u18_each_format_is_a_file_with_the_name_of_the_recording(
    client: httpx.AsyncClient, redis: Redis, kind: str, media_type: str, begin: str
) -> None:
    """Its type, its name and its text are right, and no browser guesses another type."""
    await completed(redis, name="reunião.mp3")
    response = await ask(client, f"?format={kind}")
    assert response.status_code == 200
    assert response.text.startswith(begin)
    assert response.headers["content-type"] == media_type
    assert response.headers["content-disposition"] == (
        f"attachment; filename=\"reuniao.{kind}\"; filename*=UTF-8''reuni%C3%A3o.{kind}"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_translation_is_a_file_that_says_its_language(client: httpx.AsyncClient, redis: Redis) -> None:
    """`translated` takes what a form takes for a boolean; players choose subtitles by the language in the name."""
    await completed(redis)
    for value in ("true", "1", "on", "YES"):
        response = await ask(client, f"?format=txt&translated={value}")
        assert response.text == "Bom dia.\nComo está?\n"
        assert 'filename="meeting.pt.txt"' in response.headers["content-disposition"]
    for value in ("false", "0", "off", "no", ""):
        assert (await ask(client, f"?format=txt&translated={value}")).text == "Good morning.\nHow are you?\n"


async def test_a_copy_is_not_sent_again(client: httpx.AsyncClient, redis: Redis) -> None:
    """The ETag of a format is answered with 304 for this format and no other."""
    await completed(redis)
    first = await ask(client, "?format=srt")
    assert first.headers["cache-control"] == "private, no-cache"
    again = await ask(client, "?format=srt", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await ask(client, "?format=vtt", **{"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_what_cannot_be_is_refused_by_name(client: httpx.AsyncClient, redis: Redis) -> None:
    """An unknown format names the choices; so does a wrong flag."""
    await completed(redis)
    problem = await refused(client, "?format=docx")
    assert (problem["status"], problem["code"], problem["field"]) == (400, "unknown_format", "format")
    assert "json, txt, srt, vtt, tsv" in problem["detail"]
    problem = await refused(client, "?translated=maybe")
    assert (problem["status"], problem["code"], problem["field"]) == (400, "bad_field", "translated")


async def test_c03_a_task_at_work_has_no_result_yet(client: httpx.AsyncClient, redis: Redis) -> None:
    """409 that says when to come back; a task that never was is 404."""
    assert (await refused(client))["code"] == "no_such_task"
    await submitted(redis)
    response = await ask(client)
    assert (response.status_code, response.json()["code"]) == (409, "task_not_finished")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.EXPIRED])
async def test_c04_a_task_without_result_says_why(client: httpx.AsyncClient, redis: Redis, state: State) -> None:
    """409 with the task's own error, however it ended."""
    scripts = await submitted(redis)
    failure = Failure(code="no_worker", message="No worker came.", stage=StageName.ASR, retryable=True)
    event = events.make_end(TASK, state, failure)
    await scripts.close(TASK, state, event=event, error=codec.encode_text(failure))
    problem = await refused(client, "?format=srt")
    assert (problem["status"], problem["code"]) == (409, "task_without_result")
    assert problem["error"] == {"code": "no_worker", "message": "No worker came.", "stage": "asr", "retryable": True}
    assert state.value in problem["detail"]


async def test_a_result_that_has_expired_is_gone(client: httpx.AsyncClient, redis: Redis) -> None:
    """410, though the record of the task is still there."""
    await completed(redis)
    await redis.delete(keys.result(TASK))
    problem = await refused(client)
    assert (problem["status"], problem["code"]) == (410, "task_expired")


async def test_a_translation_that_does_not_exist_is_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    """When none was asked for, and when none could be made, with the reason; a silent recording has an empty one."""
    await completed(redis, target=None)
    problem = await refused(client, "?format=srt&translated=true")
    assert (problem["status"], problem["code"]) == (409, "no_translation")
    warning = Notice(code="no_translation_model", message="There is no model for fi to pt.")
    await completed(redis, result_of([spoken("Hei.", 0, 1)], duration=2, warnings=[warning]))
    problem = await refused(client, "?format=srt&translated=true")
    assert (problem["status"], problem["code"]) == (409, "no_translation")
    assert "fi to pt" in problem["detail"]
    await completed(redis, result_of([], duration=2))
    assert (await ask(client, "?format=srt&translated=true")).content == b""


async def test_a_text_has_no_subtitles(client: httpx.AsyncClient, redis: Redis) -> None:
    """Without a recording there are no times; the text itself is there."""
    await completed(redis, route=(StageName.TRANSLATE, StageName.NLP))
    problem = await refused(client, "?format=vtt")
    assert (problem["status"], problem["code"]) == (409, "no_times")
    assert (await ask(client, "?format=txt")).text == "Good morning.\nHow are you?\n"
