"""The life of a task in order, from its record alone: what waited for how long, who began what and how that ended."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from shared import codec
from shared.messages import Kept, Moment, StageName
from shared.tasks import Task


class _Stage(msgspec.Struct):
    """Where a stage stands: since when (ms) its job is due, or which attempt is at it."""

    due: int | None = None
    attempt: Kept | None = None


def moments(task: Task) -> Sequence[Moment]:
    """All that is known of the task's life, the earliest first. Of a task that an older version has worked on, less."""
    created = int(task.created.timestamp() * 1000)
    stages: dict[StageName, _Stage] = defaultdict(_Stage)
    stages[task.route[0]].due = created
    found = [
        Moment(at=task.created, what="accepted"),
        Moment(at=task.created, what="queued", stage=task.route[0]),
        *(_moment(stages, kept) for kept in map(codec.decode_kept, task.trail.splitlines())),
        *_end(task, stages),
        *_webhooks(task),
    ]
    return sorted(found, key=lambda moment: moment.at)


def _moment(stages: dict[StageName, _Stage], kept: Kept) -> Moment:
    """The moment, and its stage as it stands behind it."""
    if kept.what == "omitted":
        stages.clear()  # nobody knows how they stand behind it
        return Moment(at=_time(kept.at), what=kept.what, count=kept.count)
    stage = stages[kept.stage]
    match kept.what:
        case "queued":
            stage.due = kept.at
            return Moment(at=_time(kept.at), what=kept.what, stage=kept.stage)
        case "begun":
            waited, stage.due, stage.attempt = _since(stage.due, kept.at), None, kept
        case "first_record":
            waited = _since(stage.attempt.at if stage.attempt else None, kept.at)
        case "lost" | "ended":
            waited, stage.due = _since(stage.attempt.at if stage.attempt else None, kept.at), None
        case _:
            waited = _since(stage.attempt.at if stage.attempt else None, kept.at)
            stage.due = kept.at + kept.delay_ms
    return Moment(
        at=_time(kept.at),
        what=kept.what,
        stage=kept.stage,
        attempt=stage.attempt.attempt if stage.attempt else None,
        worker=stage.attempt.worker if stage.attempt else None,
        seconds=waited,
        code=kept.code,
    )


def _end(task: Task, stages: dict[StageName, _Stage]) -> Iterator[Moment]:
    if task.finished is None:
        return
    stage = task.error.stage if task.error else None
    attempt = stages[stage].attempt if stage else None
    yield Moment(
        at=task.finished,
        what=task.state,
        stage=stage,
        attempt=attempt.attempt if attempt else None,
        worker=attempt.worker if attempt else None,
        seconds=round((task.finished - task.created).total_seconds(), 3),
        code=task.error.code if task.error else None,
    )


def _webhooks(task: Task) -> Iterator[Moment]:
    for attempt in task.webhook.attempts if task.webhook else ():
        yield Moment(at=attempt.at, what="webhook", seconds=attempt.seconds, code=attempt.error, status=attempt.status)


def _since(begin: int | None, end: int) -> float | None:
    """Seconds between two times in ms, not below 0: the due time of a job may be in the future of a slow clock."""
    return None if begin is None else max(0.0, (end - begin) / 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
