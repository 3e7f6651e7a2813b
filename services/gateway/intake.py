"""From an upload to a task: the form is taken in, the recording checked and stored, the task created in one script."""

import asyncio
import uuid
from typing import Any

import structlog
from litestar import Request

from services.gateway import uploads
from services.gateway.fleet import Fleet
from services.gateway.forms import FIELDS, options_of
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared import audio, metrics, queue
from shared.blobs import BlobStore
from shared.redis import Redis, answered, ask_for_life
from shared.scripts import Scripts, Submission
from shared.steps import route_of

log = structlog.get_logger(__name__)


class Intake:
    """Where new tasks come from."""

    def __init__(self, redis: Redis, scripts: Scripts, blobs: BlobStore, fleet: Fleet, settings: Settings) -> None:
        self._redis = redis
        self._scripts = scripts
        self._blobs = blobs
        self._fleet = fleet
        self._settings = settings

    async def submit(self, request: Request[Any, Any, Any]) -> str:
        """The id of the task that `request` has created. Raises what `problems` turns into a refusal.

        A refusal leaves neither a task nor a file. When Redis goes away in the middle, whether the task exists is
        unknown: its recording stays, and the janitor removes it if there is no task.
        """
        await ask_for_life(self._redis)  # a refusal now is better than one after a long upload
        settings = self._settings
        async with uploads.received(
            request, fields=FIELDS, spool_dir=settings.spool_dir, limit=settings.max_upload_bytes
        ) as form:
            options = options_of(form.fields, settings)
            route = route_of(
                audio=True, translation=options.target_language is not None, insights=options.include_insights
            )
            await self._fleet.check(options, route)
            info = await asyncio.to_thread(audio.probe, form.upload.path)
            if info.duration is not None and info.duration > settings.max_audio_seconds:
                raise _too_long(info.duration, settings.max_audio_seconds)
            task_id = uuid.uuid4().hex
            submission = Submission(
                task_id=task_id,
                route=route,
                options=options,
                job=queue.stage_job(task_id),
                blob=task_id,
                name=form.upload.name,
                duration=info.duration or 0.0,
            )
            await self._blobs.put(submission.blob, form.upload.path)
        await answered(self._scripts.submit(submission))
        metrics.TASKS_SUBMITTED.inc()
        log.info("task_submitted", task_id=task_id, route=",".join(route), audio_s=info.duration, codec=info.codec)
        return task_id


def _too_long(seconds: float, limit: float) -> Problem:
    detail = f"The recording is {seconds / 3600:.1f} hours long. At most {limit / 3600:.1f} hours are taken."
    return Problem(413, "too_long", detail, field=uploads.FILE_FIELD)
