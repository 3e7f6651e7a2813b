"""From a request to a task: the form is taken in, its content checked and kept, the task created in one script."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from litestar import Request

from services.gateway import traces
from services.gateway.fleet import Fleet
from services.gateway.intake import idempotency, ingest, texts, uploads
from services.gateway.intake.admission import Admission
from services.gateway.intake.forms import AUDIO_URL, TEXT_FIELDS, WEBHOOK, options_of
from services.gateway.intake.spool import Spool
from services.gateway.intake.wish import OWN_FORM, RecordingForm, Wish, wish_of
from services.gateway.outbound import Guard, Refused, Target
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared import audio, metrics, queue, tasks
from shared.blobs import BlobStore
from shared.errors import Retryable
from shared.messages import State
from shared.redis import Redis, answered
from shared.scripts import Scripts
from shared.submission import KeyReused, NoRoom, Once, Submission
from shared.tracing import Tracing, current, sending

log = structlog.get_logger(__name__)

_PROBES = 2
"""Recordings that are looked into at a time."""
_MOST_FAILURES = 16
"""So often the same content may end without a result before it is no longer told by itself."""


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
        self,
        redis: Redis,
        scripts: Scripts,
        *,
        blobs: BlobStore,
        spool: Spool,
        fleet: Fleet,
        guard: Guard,
        tracing: Tracing,
        settings: Settings,
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._blobs = blobs
        self._spool = spool
        self._fleet = fleet
        self._guard = guard
        self._tracing = tracing
        self._fetcher = ingest.Fetcher(
            guard, limit=settings.max_upload_bytes, stall_seconds=settings.upload_stall_seconds
        )
        self._settings = settings
        self._admission = Admission(scripts, settings)
        self._probing = asyncio.Semaphore(_PROBES)

    async def submit(
        self,
        request: Request[Any, Any, Any],
        *,
        key: str | None,
        owner: str = "",
        form: RecordingForm = OWN_FORM,
    ) -> Accepted:
        """The task that `request`, a `form` with a recording, stands for; `key` is its idempotency key. Raises what
        `problems` turns into a refusal.

        A refusal leaves neither a task nor a file. When Redis goes away in the middle, whether the task exists is
        unknown: its recording stays, and the janitor removes it if there is no task.
        """
        with traces.submission(self._tracing, request):
            return await self._take_recording(request, key, owner, form)

    async def _take_recording(
        self, request: Request[Any, Any, Any], key: str | None, owner: str, form: RecordingForm
    ) -> Accepted:
        key = idempotency.checked(key, request)
        if not form.again:
            await self._admission.admit(owner, audio=True, once=key)  # better than a refusal after a long upload
        settings, path = self._settings, self._spool.place()
        async with uploads.received(
            request,
            path,
            file_field=form.file_field,
            instead=AUDIO_URL if AUDIO_URL in form.fields else None,
            fields=form.fields,
            limit=settings.max_upload_bytes,
            stall_seconds=settings.upload_stall_seconds,
        ) as arrived:
            wish = form.read(arrived.fields, settings)
            url = "" if arrived.upload else arrived.fields[AUDIO_URL].strip()
            target = self._fetcher.target(url) if url else None
            upload = arrived.upload or ingest.expected(url, path)
            draft = _draft(wish, name=upload.name, owner=owner, webhook=self._webhook(arrived.fields))
            once = idempotency.once_of(key, draft, digest=upload.digest)
            if once is None and form.by_content:
                once = await self._once_by_content(draft, digest=upload.digest)
            draft = msgspec.structs.replace(draft, once=once)
            return await self.earlier(draft) or await self._store(draft, path, source=target)

    async def submit_text(self, request: Request[Any, Any, Any], *, key: str | None, owner: str = "") -> Accepted:
        """The same for a form with a text."""
        with traces.submission(self._tracing, request):
            return await self._take_text(request, key, owner)

    async def _take_text(self, request: Request[Any, Any, Any], key: str | None, owner: str) -> Accepted:
        key = idempotency.checked(key, request)
        await self._admission.admit(owner, audio=False, once=key)
        form = await texts.received(
            request,
            fields=TEXT_FIELDS,
            most=self._settings.max_text_characters,
            stall_seconds=self._settings.upload_stall_seconds,
        )
        wish = wish_of(options_of(form.fields, self._settings), audio=False)
        draft = _draft(wish, name=form.name, owner=owner, webhook=self._webhook(form.fields))
        draft = msgspec.structs.replace(draft, once=idempotency.once_of(key, draft, digest=form.digest))
        if accepted := await self.earlier(draft):
            return accepted
        await self._fleet.check(draft.options, draft.route)
        records = await asyncio.to_thread(texts.records_of, form.text, language=draft.options.language)
        return await self.create(msgspec.structs.replace(draft, records=records))

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
            task_id = await self._send(submission)
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

    async def _send(self, draft: Submission) -> str:
        """The id of the task that there is now."""
        here = current().traceparent or ""
        with sending(self._tracing, draft.task_id, draft.route[0]) as span:
            job = queue.stage_job(draft.task_id, span.traceparent)
            submission = msgspec.structs.replace(draft, job=job, traceparent=here)
            return await answered(self._scripts.submit(submission, self._admission.room(draft.owner)))

    def _webhook(self, fields: Mapping[str, str]) -> str:
        """The URL that wants to be told of the end; empty for none. Raises `Problem` for one that may not be."""
        url = fields.get(WEBHOOK, "").strip()
        if url and not self._settings.webhook_secret:
            raise Problem(400, "bad_field", f"There are no webhooks here: '{WEBHOOK}' must be empty.", field=WEBHOOK)
        try:
            if url:
                self._guard.target(url)
        except Refused as error:
            raise Problem(400, "bad_url", f"The field '{WEBHOOK}' cannot be used: {error}.", field=WEBHOOK) from error
        return url

    async def _once_by_content(self, draft: Submission, *, digest: str) -> Once | None:
        """What `draft` is told by when it comes again without a key; None when it has failed too often."""
        once = idempotency.by_content(draft, digest=digest)
        for _ in range(_MOST_FAILURES):
            same = msgspec.structs.replace(draft, once=once)
            task_id = await answered(idempotency.earlier(self._redis, same))
            task = await answered(tasks.read(self._redis, task_id)) if task_id else None
            if task is None or not task.state.terminal or task.state is State.COMPLETED:
                return once
            once = idempotency.behind(once, task.task_id)
        return None

    async def _store(self, draft: Submission, path: Path, *, source: Target | None) -> Accepted:
        """Check the recording, and that it can be worked on, and keep it; then the task can be. A recording with a
        source is fetched from there."""
        await self._fleet.check(draft.options, draft.route)
        if source:
            await self._fetcher.fetch(source, path)
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


def _draft(wish: Wish, *, name: str, owner: str, webhook: str) -> Submission:
    """The task that is wished for, still without its input."""
    task_id = uuid.uuid4().hex
    return Submission(
        task_id=task_id,
        route=wish.route,
        options=wish.options,
        job=b"",  # is made when it is sent
        name=name,
        owner=owner,
        webhook=webhook,
    )
