"""Every Redis key and channel of the mesh. No other file contains a key literal.

The keys of one task share the hash tag `{task_id}`. Each key below has a TTL, except the permanent ones, which are
bounded by what is alive: `WATCH`, `WORKERS`, `WEBHOOKS` and arq's queues.
"""

import hashlib

from shared.messages import StageName

PERMANENT = ("vm:watch", "vm:workers", "vm:webhooks", "arq:queue:")
"""Prefixes of the keys that have no TTL."""

WATCH = "vm:watch"
"""Sorted set: unfinished task ids, by the time (ms) by which they must have shown a sign of life. Permanent."""

WORKERS = "vm:workers"
"""Sorted set: `stage/worker` of each live worker, by the time (ms) its registration lapses. Permanent."""

WEBHOOKS = "vm:webhooks"
"""Sorted set: ids of the tasks whose webhook is to be delivered, by when it is due (ms). Permanent."""

SIGNING = "vm:signing"
"""String: what gateways without `LINK_SECRET` sign links with. TTL: a day after its last use."""

JANITOR = "vm:janitor"
"""String: the one janitor at work. TTL: the length of its round."""

SOURCE = "source"
"""In place of a stage's name: the input stream of a task that starts with text."""


LEASE_PREFIX = "arq:in-progress:"
"""What the leases of all stages begin with."""

JOB_PREFIX = "arq:job:"
"""What the jobs of all stages begin with."""


def channel(task_id: str) -> str:
    """Pub/sub channel: each event as JSON with its id in front, the moment it happens. The public name."""
    return f"audio_stream:{task_id}"


def task(task_id: str) -> str:
    """Hash: route, options, state, step, progress, fence tokens, attempts, times. TTL: the task's."""
    return f"vm:{{{task_id}}}:task"


def events(task_id: str) -> str:
    """Stream: the event log; entry ids are 1-0, 2-0, … without gaps. TTL: the task's."""
    return f"vm:{{{task_id}}}:events"


def out(task_id: str, stage: str) -> str:
    """Stream: the stage's records; record n has the id n-0. TTL: the task's."""
    return f"vm:{{{task_id}}}:out:{stage}"


def result(task_id: str) -> str:
    """String: the result document as JSON. TTL: the task's."""
    return f"vm:{{{task_id}}}:result"


def tombstone(task_id: str) -> str:
    """String: the owner of a task that is or was. TTL: the task's, and on top of it the time for which it stays known;
    counted from its submission."""
    return f"vm:{{{task_id}}}:was"


def tasks_of(owner: str) -> str:
    """Sorted set: ids of the owner's tasks by when they were submitted (µs, each later than the one before). TTL: the
    tombstone's, from the latest submission. What has expired is taken out as new ones come in."""
    return f"vm:tasks:{owner}"


def unfinished(owner: str) -> str:
    """Set: ids of the owner's tasks, among them all that have not ended. Kept where their number is limited. TTL: from
    the latest submission, as long as the tombstone's."""
    return f"vm:unfinished:{owner}"


def heard(owner: str, day: str) -> str:
    """String: seconds of audio that the owner has submitted on a day, counted in UTC from 1970. TTL: the day and the
    one after."""
    return f"vm:heard:{owner}:{day}"


def once(owner: str, key: str) -> str:
    """Hash: the task that the owner's idempotency key, which has no space in it, has created, and what stands for its
    body. TTL: the task's, from its submission."""
    return f"vm:once:{hashlib.sha256(f'{owner} {key}'.encode()).hexdigest()}"


def worker(stage: str, worker_id: str) -> str:
    """String: what a live worker can do, as JSON. TTL: three of its heartbeats."""
    return f"vm:worker:{stage}/{worker_id}"


def known(stage: str) -> str:
    """Sorted set: what the stage's workers have said that they can do, as JSON, by when it was last said (ms). TTL: a
    day from the last announcement."""
    return f"vm:known:{stage}"


def wake(stage: StageName) -> str:
    """Pub/sub channel: ids of tasks that have new work for the stage. Losing one costs a poll, no more."""
    return f"vm:wake:{stage}"


def reply(caller: str) -> str:
    """Pub/sub channel: ids of tasks that have something new for who called them directly. Losing one costs a look."""
    return f"vm:reply:{caller}"


def job_id(task_id: str, stage: StageName) -> str:
    """arq's id of the stage's job: one per task and stage, so that enqueueing twice is harmless."""
    return f"{task_id}:{stage}"


def queue(stage: StageName) -> str:
    """Sorted set, arq's: job ids by due time (ms). KEDA reads its ZCARD. Permanent."""
    return f"arq:queue:{stage}"


def job(task_id: str, stage: StageName) -> str:
    """String, arq's: the job itself. TTL: the task's."""
    return JOB_PREFIX + job_id(task_id, stage)


def lease(task_id: str, stage: StageName) -> str:
    """String, arq's in-progress mark. It is our lease: short, renewed while the attempt lives. TTL: the lease."""
    return LEASE_PREFIX + job_id(task_id, stage)


def worker_health(stage: StageName, worker_id: str) -> str:
    """String, arq's health report of one worker. TTL: its interval."""
    return f"vm:worker-health:{stage}/{worker_id}"


def rate(caller: str) -> str:
    """String: when (ms) the caller's allowance of requests is whole again. TTL: until then, a minute at most."""
    return f"vm:rate:{caller}"
