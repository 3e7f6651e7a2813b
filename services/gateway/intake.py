"""From a request to a task: the form is taken in, its content checked and kept, the task created in one script."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from litestar import Request

from services.gateway import idempotency, texts, uploads
from services.gateway.admission import Admission
from services.gateway.fleet import Fleet
from services.gateway.forms import FIELDS, TEXT_FIELDS, options_of
from services.gateway.settings import Settings
from services.gateway.spool import Spool
from shared import audio, metrics, queue, tasks
from shared.blobs import BlobStore
from shared.errors import Retryable
from shared.messages import State
from shared.redis import Redis, answered
from shared.scripts import Scripts
from shared.steps import route_of
from shared.submission import KeyReused, NoRoom, Submission

log = structlog.get_logger(__name__)

_PROBES = 2
"""Recordings that are looked into at a time."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The task that a request stands for. `replayed` when an earlier request with the same key has created it."""

    task_id: str
    state: State = State.QUEUED
    replayed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside its content."""
        return {"Idempotent-Replayed": "true"} if self.replayed else {}


class Intake:
    """Where new tasks come from."""

    def __init__(
        self, redis: Redis, scripts: Scripts, *, blobs: BlobStore, spool: Spool, fleet: Fleet, settings: Settings
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._blobs = blobs
        self._spool = spool
        self._fleet = fleet
        self._settings = settings
        self._admission = Admission(scripts, settings)
        self._probing = asyncio.Semaphore(_PROBES)

    async def submit(self, request: Request[Any, Any, Any], *, key: str | None, owner: str = "") -> Accepted:
        """The task that `request`, a form with a recording, stands for; `key` is its idempotency key. Raises what
        `problems` turns into a refusal.

        A refusal leaves neither a task nor a file. When Redis goes away in the middle, whether the task exists is
        unknown: its recording stays, and the janitor removes it if there is no task.
        """
        key = idempotency.checked(key)
        await self._admission.admit(owner, audio=True, once=key)  # better than a refusal after a long upload
        settings = self._settings
        async with uploads.received(
            request,
            self._spool.place(),
            fields=FIELDS,
            limit=settings.max_upload_bytes,
            stall_seconds=settings.upload_stall_seconds,
        ) as form:
            draft = self._draft(form.fields, audio=True, name=form.upload.name, owner=owner)
            draft = msgspec.structs.replace(draft, once=idempotency.once_of(key, draft, digest=form.upload.digest))
            return await self.earlier(draft) or await self._store(draft, form.upload.path)

    async def submit_text(self, request: Request[Any, Any, Any], *, key: str | None, owner: str = "") -> Accepted:
        """The same for a form with a text."""
        key = idempotency.checked(key)
        await self._admission.admit(owner, audio=False, once=key)
        form = await texts.received(
            request,
            fields=TEXT_FIELDS,
            most=self._settings.max_text_characters,
            stall_seconds=self._settings.upload_stall_seconds,
        )
        draft = self._draft(form.fields, audio=False, name=form.name, owner=owner)
        draft = msgspec.structs.replace(draft, once=idempotency.once_of(key, draft, digest=form.digest))
        if accepted := await self.earlier(draft):
            return accepted
        await self._fleet.check(draft.options, draft.route)
        records = await asyncio.to_thread(texts.records_of, form.text, language=draft.options.language)
        return await self.create(msgspec.structs.replace(draft, records=records))

    def _draft(self, fields: Mapping[str, str], *, audio: bool, name: str, owner: str) -> Submission:
        """The task that `fields` ask for, still without its input."""
        options = options_of(fields, self._settings)
        task_id = uuid.uuid4().hex
        return Submission(
            task_id=task_id,
            route=route_of(
                audio=audio, translation=options.target_language is not None, insights=options.include_insights
            ),
            options=options,
            job=queue.stage_job(task_id),
            name=name,
            owner=owner,
        )

    async def earlier(self, draft: Submission) -> Accepted | None:
        """What became of the same submission when it came before. Saves the work on one that is sent again; `create`
        decides. Raises `Problem` with 409 when its key stands for something else."""
        try:
            task_id = await answered(idempotency.earlier(self._redis, draft))
        except KeyReused as error:
            raise idempotency.conflict() from error
        return await self._replayed(task_id) if task_id else None

    async def create(self, submission: Submission) -> Accepted:
        """Create the task, once. Of one that is there already the recording is not kept a second time. Raises
        `Problem` with 409 when its key stands for something else, 429 or 503 when there is no room."""
        try:
            task_id = await answered(self._scripts.submit(submission, self._admission.room(submission.owner)))
        except KeyReused as error:
            await self.discard(submission.blob)
            raise idempotency.conflict() from error
        except NoRoom as error:
            await self.discard(submission.blob)
            self._admission.refuse(error, seconds=submission.duration)
        if task_id != submission.task_id:
            await self.discard(submission.blob)
            return await self._replayed(task_id)
        metrics.TASKS_SUBMITTED.inc()
        log.info(
            "task_submitted", task_id=task_id, route=",".join(submission.route), audio_s=submission.duration or None
        )
        return Accepted(task_id=task_id)

    async def _store(self, draft: Submission, path: Path) -> Accepted:
        """Check the recording, and that it can be worked on, and keep it; then the task can be."""
        await self._fleet.check(draft.options, draft.route)
        info = await self._probed(path)
        log.debug("recording_probed", task_id=draft.task_id, container=info.container, codec=info.codec)
        await self._blobs.put(draft.task_id, path)
        submission = msgspec.structs.replace(draft, blob=draft.task_id, duration=info.duration)
        return await self.create(submission)

    async def _replayed(self, task_id: str) -> Accepted:
        task = await answered(tasks.read(self._redis, task_id))
        log.info("task_replayed", task_id=task_id)
        return Accepted(task_id=task_id, state=task.state if task else State.EXPIRED, replayed=True)

    async def discard(self, blob: str) -> None:
        """Remove a recording that nobody needs; none by the name "" is. One that cannot be removed is left to the
        janitor."""
        if blob:
            try:
                await self._blobs.delete(blob)
            except Retryable as error:
                log.warning("blob_left", blob=blob, error=str(error))

    async def _probed(self, path: Path) -> audio.AudioInfo:
        """What the recording at `path` is. Raises `Permanent` for what is none, and for one that is too long."""
        async with self._probing:  # counting through many hours may not take the threads that write uploads down
            return await asyncio.to_thread(audio.probe, path, longest=self._settings.max_audio_seconds)
