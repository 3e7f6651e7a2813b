"""Takes an order through a mesh: several recordings at a time, and none stops the others."""

import asyncio
import errno
import re
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from deploy.local import exits
from deploy.local.found import key_of, running_mesh
from deploy.local.languages import check_languages, check_pair
from deploy.local.terminal import forsake, plain, tell
from deploy.local.transcribe.display import Display, display_for
from deploy.local.transcribe.formats import Format
from deploy.local.transcribe.inputs import Recording, begun, opened
from deploy.local.transcribe.order import Order
from shared.client import Audio, MeshClient, MeshError, MeshRefused, MeshUnreachable, TaskFailed
from shared.errors import SettingsError
from shared.messages import Failure, Result, StageName, Step
from shared.steps import route_of

_HELLO_SECONDS = 10.0
"""How long a gateway may take to answer at all, before anything is sent."""
_GRACE_SECONDS = 2.0
"""What a submission gets to come to its end when we are stopped: once there is a task, it can be cancelled."""
_CANCEL_SECONDS = 5.0
_SILENCE_SECONDS = 2.0
"""After this long, whoever waits for a pipe is told."""
_AT_FAULT = ("audio", "audio_url", None)
"""Fields of a refusal that concern one recording; any other concerns all of them."""


async def transcribe(order: Order, environ: Mapping[str, str], *, url: str) -> int:
    """Do what `order` says, through the mesh at `url`, else through the one that runs here, else through one of its
    own. Answers the exit status."""
    key = key_of(environ)
    url = url or await running_mesh(environ)
    if url:
        return await _through(url, order, key=key)
    if any(recording.task for recording in order.recordings):
        raise SettingsError("--resume: no mesh runs on this machine; name the one that has the task with --url")
    try:
        from deploy.local import mesh  # only a local mesh needs what this needs
    except ModuleNotFoundError as error:
        raise MeshUnreachable(
            "No mesh runs on this machine. Name one with --url or VOXMESH_URL; to start one here, voxmesh[local] is "
            f"needed ({error.name} is not installed)."
        ) from error

    options = order.options
    language, target = options.get("language", ""), options.get("target_language", "")
    check_languages({"--language": language, "--translate": target})
    if order.translated:
        check_pair(environ, language, target, option="--translate")
    say = _nothing if order.quiet else tell
    with tempfile.TemporaryDirectory(prefix="voxmesh-transcribe-") as home:
        plan = mesh.plan(Path(home), environ)
        plan = msgspec.structs.replace(plan, workers={stage: plan.workers[stage] for stage in _route(order)})
        say("starting a mesh (`voxmesh up` keeps one)")
        async with mesh.running(plan, tell=say) as started:
            return await started.keep_while(_through(started.url, order, key=key))


def _nothing(_: str) -> None:
    pass


async def _through(url: str, order: Order, *, key: str) -> int:
    try:
        async with _client(url, key=key, patience=min(order.patience, _HELLO_SECONDS)) as client:
            await _greet(client, order)
        async with _client(url, key=key, patience=order.patience) as client:
            display = display_for(len(order.recordings), quiet=order.quiet)
            return await Session(client, order, display).run()
    except MeshError as error:
        tell(f"voxmesh: {plain(error.message)}")
        return exits.NO_MESH if error.code == "not_understood" else exits.status_of(error)


def _client(url: str, *, key: str, patience: float) -> MeshClient:
    try:
        return MeshClient(url, api_key=key, patience=patience)
    except ValueError as error:
        raise SettingsError(f"--url: {error}") from error


async def _greet(client: MeshClient, order: Order) -> None:
    """Raises `MeshError` when nobody is there, or does not let us in. Says when nobody is there to do the work."""
    try:
        known = await client.capabilities()
    except MeshRefused as error:
        if error.status in {401, 403}:
            raise SettingsError(f"VOXMESH_KEY: {error.message}") from error
        if error.status == 404:  # a gateway has it, and knows its own paths
            raise SettingsError("--url: there is no gateway at this path; its address is http://host:8000") from error
        raise
    stages: Mapping[str, object] = known.get("stages", {})
    if away := [stage for stage in _route(order) if not stages.get(stage)]:
        tell(f"no worker for {', '.join(away)} at the moment: recordings will wait for one")


def _route(order: Order) -> Sequence[StageName]:
    insights = order.options.get("include_insights", False)
    return route_of(audio=True, translation=order.translated, insights=insights)


class Session:
    """One run of an order."""

    def __init__(self, client: MeshClient, order: Order, display: Display) -> None:
        self._client = client
        self._order = order
        self._display = display
        self._waiting: Iterator[Recording] = iter(order.recordings)
        self._done = self._failed = 0
        self._tasks: dict[Recording, str] = {}
        self._stopped: int | None = None
        self._text = ""

    async def run(self) -> int:
        """Answers the exit status."""
        with self._display:
            async with asyncio.TaskGroup() as group:
                for number in range(min(self._order.jobs, len(self._order.recordings))):
                    group.create_task(self._work(), name=f"recordings {number}")
        total = len(self._order.recordings)
        if total > 1 and not self._order.quiet:
            left = total - self._done - self._failed
            tell(f"{self._done} of {total} done, {self._failed} failed" + (f", {left} not sent" if left else ""))
        if not _printed(self._text):
            return exits.FAILED
        return self._stopped or (exits.FAILED if self._failed else exits.DONE)

    async def _work(self) -> None:
        while self._stopped is None and (recording := next(self._waiting, None)):
            self._display.begin(recording)
            try:
                line = await self._process(recording)
            except (MeshError, OSError) as error:
                self._failed += 1
                self._note(error)
                line = f"failed: {_words_of(error)}{self._way_on(recording, error)}"
                self._display.finish(recording, line, failed=True)
            else:
                self._done += 1
                self._display.finish(recording, line)

    def _note(self, error: MeshError | OSError) -> None:
        """What would befall every other recording, too, ends the run."""
        match error:
            case MeshUnreachable():
                self._stopped = exits.NO_MESH
            case MeshRefused(field=field) if field not in _AT_FAULT:
                self._stopped = exits.USAGE
            case _:
                pass

    def _way_on(self, recording: Recording, error: MeshError | OSError) -> str:
        """How to come by the results of a task that `error` has not ended."""
        match error:
            case OSError() | MeshUnreachable() | MeshRefused(status=429 | 502 | 503 | 504) if recording in self._tasks:
                return f"; to go on with it: voxmesh transcribe --resume {self._tasks[recording]}"
            case _:
                return ""

    async def _process(self, recording: Recording) -> str:
        """From the recording to its results; what has come of it in a few words. Cancelled, it cancels the task."""
        task_id = self._tasks[recording] = recording.task or await self._submitted(recording)
        try:
            result = await self._watched(recording, task_id)
            return await self._kept(recording, result)
        except asyncio.CancelledError:
            await self._cancel(recording, task_id)
            raise

    async def _submitted(self, recording: Recording) -> str:
        """The id of its task. Cancelled, it leaves none behind."""
        name = "" if recording.url else recording.name  # a URL has its own
        with opened(recording) as found:
            audio = await self._begun(recording, found)
            sending = asyncio.create_task(
                self._client.submit(audio, name=name, **self._order.options), name="submission"
            )
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                await asyncio.wait([sending], timeout=_GRACE_SECONDS)
                if sending.done() and not sending.cancelled() and sending.exception() is None:
                    await self._cancel(recording, sending.result())
                sending.cancel()
                raise

    async def _begun(self, recording: Recording, audio: Audio) -> Audio:
        """Returns when there is something to send; says so when that takes a while."""
        line = f"{recording.label}: nothing has come of it yet; waiting"
        notice = asyncio.get_running_loop().call_later(
            _SILENCE_SECONDS, _nothing if self._order.quiet else self._display.tell, line
        )
        try:
            return await begun(audio)
        finally:
            notice.cancel()

    async def _watched(self, recording: Recording, task_id: str) -> Result:
        async for update in self._client.events(task_id):
            self._display.show(recording, update)
            if update.step is Step.COMPLETED and isinstance(result := update.partial, Result):
                for notice in result.warnings:
                    self._display.tell(f"{recording.label}: {plain(notice.message)} ({notice.code})")
                return result
            if update.step.terminal:
                raise TaskFailed(update.error or Failure(code=update.step, message=update.message))
        raise TaskFailed(Failure(code="task_lost", message="The task has ended, and nobody knows how."))

    async def _cancel(self, recording: Recording, task_id: str) -> None:
        """End the task, unless it has ended; whatever is in the way, we are stopped."""
        try:
            await self._client.cancel(task_id, deadline=_CANCEL_SECONDS)
        except MeshRefused:  # it has ended
            return
        except MeshError:
            self._display.tell(f"{recording.label}: no gateway to cancel it; its task goes on: {task_id}")
        else:
            self._display.tell(f"{recording.label}: cancelled")

    async def _kept(self, recording: Recording, result: Result) -> str:
        """Fetches each format; writes it, or keeps it for standard output."""
        order = self._order
        language = _letters(result.target_language or order.options.get("target_language", ""))
        if order.folder is None:
            (kind,) = order.formats
            self._text = await self._fetched(result, kind, translated=order.translated)
            return "done"
        written: list[str] = []
        for kind in order.formats:
            written.append(await self._write(recording, result, kind))
            if order.translated and kind != "json":
                written.append(await self._write(recording, result, kind, language=language))
        return f"done: {', '.join(written)}"

    async def _write(self, recording: Recording, result: Result, kind: Format, *, language: str = "") -> str:
        path = self._order.path_of(recording, kind, language=language)
        text = await self._fetched(result, kind, translated=bool(language))
        await asyncio.to_thread(_replace, path, text)
        return plain(str(path))

    async def _fetched(self, result: Result, kind: Format, *, translated: bool) -> str:
        return await self._client.result_as(result.task_id, kind, translated=translated and kind != "json")


def _replace(path: Path, text: str) -> None:
    """The file is the old one or the new one, whole, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}.part")  # with the name in it, it could be too long
    try:
        partial.write_text(text, encoding="utf-8", newline="")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _letters(language: str) -> str:
    """The language as a part of a file's name: what a server says is foreign."""
    return re.sub(r"[^\w-]", "", language)[:20].lower() or "translation"


def _words_of(error: MeshError | OSError) -> str:
    if isinstance(error, MeshError):
        return f"{plain(error.message)} ({error.code})"
    return plain(f"{error.filename or 'it'}: {error.strerror or error}")


def _printed(text: str) -> bool:
    """Whether standard output has taken the text: as a file would have it, and harmless where that is a terminal.
    Whoever reads it may have had enough."""
    if sys.stdout.isatty():
        text = "".join(f"{plain(line)}\n" for line in text.expandtabs().splitlines())
    elif text and not text.endswith("\n"):
        text += "\n"
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except OSError as error:
        forsake(sys.stdout)
        if error.errno not in (errno.EPIPE, errno.EIO):
            tell(f"voxmesh: standard output: {error.strerror}")
        return False
    return True
