"""A task with `redact`: what its watchers see while it runs."""

from contextlib import AsyncExitStack

import pytest

from services.gateway.intake.forms import options_of
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared import queue
from shared.messages import Options, Step
from shared.redis import Redis
from shared.scripts import Scripts
from shared.settings import BaseSettings
from shared.steps import route_of
from shared.submission import Submission
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import LIMITS, until_ended, working


async def test_no_text_is_shown_before_it_is_masked(redis: Redis, settings: BaseSettings) -> None:
    """Steps of asr and translate come in their order, but without partial results; those behind nlp are as ever."""
    async with AsyncExitStack() as workers:
        for stage in STAGES.values():
            await workers.enter_async_context(working(stage, FakeEngine(), settings))
        await Scripts(redis, LIMITS).submit(
            Submission(
                task_id="t",
                route=route_of(audio=True, translation=True, insights=False),
                options=Options(target_language="pt", redact=("email",)),
                job=queue.stage_job("t"),
                blob="t",
            )
        )
        log = await until_ended(redis, "t")
    steps = [event.step for event in log]
    before = log[: steps.index(Step.NER)]
    assert [event.step for event in before] == [
        *(Step.STARTED, Step.TRANSCRIPTION, Step.TRANSCRIPTION_COMPLETE),
        *(Step.TRANSLATION, Step.TRANSLATION_COMPLETE),
    ]
    assert all(bytes(event.partial_result) == b"null" for event in before)
    assert b"Sentence 3." in bytes(log[-1].partial_result)


def test_kinds_are_checked_at_submission() -> None:
    """In any case and order, once each; one that nobody masks is refused with the list of those that there are."""
    assert options_of({"redact": "Email, person,email"}, Settings()).redact == ("email", "person")
    assert options_of({"redact": " "}, Settings()).redact == ()
    with pytest.raises(Problem) as caught:
        options_of({"redact": "person,shoe size"}, Settings())
    assert "person, organization" in caught.value.detail
    assert caught.value.field == "redact"
