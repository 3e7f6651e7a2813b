"""What an attempt of a task has to say, made by hand."""

from shared import codec, events, keys
from shared.commit import Commit, NextJob, PublishedEvent
from shared.messages import Segment, StageName, Step
from shared.scripts import Limits

TASK = "t1"
ROUTE = (StageName.ASR, StageName.NLP)
LIMITS = Limits(ttl_ms=60_000, wait_ms=60_000)


def record(number: int) -> bytes:
    """The record of a segment."""
    return codec.encode(Segment(index=number, start=0, end=1, text=f"text {number}"))


def event(step: Step, *, record: int = 0) -> PublishedEvent:
    """The event of a step, or of a record."""
    made = events.make(TASK, step)
    return PublishedEvent(data=codec.encode_text(made), step=step, progress=made.progress, record=record)


def change(token: int, *, stage: StageName = StageName.ASR, **fields: object) -> Commit:
    """A state change of the attempt with this token; `fields` are what is special about it."""
    behind = NextJob(
        stage=StageName.NLP,
        job_id=keys.job_id(TASK, StageName.NLP),
        wake=keys.wake(StageName.NLP),
    )
    commit: dict[str, object] = {
        "task_id": TASK,
        "stage": stage,
        "job_id": keys.job_id(TASK, stage),
        "before": keys.SOURCE if stage is StageName.ASR else StageName.ASR,
        "position": ROUTE.index(stage),
        "token": token,
        "channel": keys.channel(TASK),
        "ttl_ms": LIMITS.ttl_ms,
        "wait_ms": LIMITS.wait_ms,
        "next": behind if stage is StageName.ASR else None,
    }
    return Commit(**(commit | fields))  # pyright: ignore[reportArgumentType]
