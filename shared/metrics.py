"""Prometheus metrics of every service, in one registry. Labels have few values: never a task id.

What is counted of a stage stands at 0 from the start of its worker: Prometheus sees no increase in a counter that is
born with its first event, and so no alert would come of a first failure. docs/operations.md explains each of them.
"""

from prometheus_client import Counter, Gauge, Histogram

from shared.messages import StageName, State

REDIS_DISRUPTIONS = Counter("voxmesh_redis_disruptions_total", "Commands that met a Redis that was away")
REDIS_FAULTS = Gauge(
    "voxmesh_redis_faults", "1 where tasks are not safe in this Redis, by what is wrong with it", ["fault"]
)
REDIS_MEMORY = Gauge(
    "voxmesh_redis_memory_bytes", "Memory that Redis uses for its data, as seen within the last minute"
)
REDIS_MEMORY_LIMIT = Gauge("voxmesh_redis_memory_limit_bytes", "What Redis may use (maxmemory); 0 is no limit")
QUEUE_JOBS = Gauge("voxmesh_queue_jobs", "Jobs of a stage, waiting or in hand, as the gateway sees them", ["stage"])
QUEUE_OLDEST_SECONDS = Gauge(
    "voxmesh_queue_oldest_seconds",
    "How long the job that nobody has in hand and that has waited longest has been due; 0 when none waits",
    ["stage"],
)
LEASES = Gauge(
    "voxmesh_leases",
    "Jobs of a stage that a worker has in hand and holds a lease for, as the gateway sees them",
    ["stage"],
)
WORKERS = Gauge("voxmesh_workers", "Live workers of a stage, as the gateway sees them", ["stage"])
CAPACITY = Gauge(
    "voxmesh_capacity_jobs", "Jobs that the live workers of a stage take at a time, all together", ["stage"]
)
ATTEMPTS_RUNNING = Gauge("voxmesh_attempts_running", "Attempts that this worker has in hand", ["stage"])
ATTEMPTS = Counter("voxmesh_attempts_total", "Attempts of a stage by how they ended", ["stage", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "voxmesh_attempt_seconds",
    "How long an attempt took",
    ["stage"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200),
)
QUEUE_SECONDS = Histogram(
    "voxmesh_queue_seconds",
    "How long a job waited for a worker",
    ["stage"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600),
)
REAL_TIME_FACTOR = Histogram(
    "voxmesh_real_time_factor",
    "Seconds of work, waiting for others not counted, for each second of audio; of stages that ended in one attempt",
    ["stage"],
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20),
)
BATCH_SIZE = Histogram(
    "voxmesh_batch_size",
    "Items of one call of a model, where several tasks share calls",
    ["stage"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
RECORDS = Counter("voxmesh_records_total", "Records written", ["stage"])
RECORDS_REFUSED = Counter("voxmesh_records_refused_total", "Records that were there already", ["stage"])
SUPERSEDED = Counter("voxmesh_attempts_superseded_total", "Attempts that were shut out by their fence", ["stage"])
LEASES_LOST = Counter(
    "voxmesh_leases_lost_total",
    "Attempts that went on where a worker had fallen silent, as seen by their successors",
    ["stage"],
)
AUDIO_SECONDS = Counter("voxmesh_audio_seconds_total", "Seconds of audio transcribed")
TASKS_SUBMITTED = Counter("voxmesh_tasks_submitted_total", "Tasks accepted")
TASKS_ENDED = Counter(
    "voxmesh_tasks_ended_total", "Tasks by their end, as seen by the process that ended it", ["state"]
)
REQUESTS_REFUSED = Counter("voxmesh_requests_refused_total", "Requests refused, by the code of the answer", ["code"])
WEBHOOKS = Counter("voxmesh_webhooks_total", "Attempts to deliver a webhook, by what became of them", ["outcome"])
OPEN_STREAMS = Gauge("voxmesh_open_streams", "Event streams open on this gateway")
EVENTS_SENT = Counter("voxmesh_events_sent_total", "Events sent to clients")
REPLAY_SECONDS = Histogram(
    "voxmesh_replay_seconds",
    "How long a stream that was opened took to catch up with the log of its task",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)

OUTCOMES = ("completed", "failed", "retried", "handed_back", "stopped")
"""How an attempt ends."""


def show_stage(stage: StageName) -> None:
    """Shows what a worker of the stage counts, at 0."""
    for outcome in OUTCOMES:
        ATTEMPTS.labels(stage, outcome)
    for metric in (RECORDS, RECORDS_REFUSED, SUPERSEDED, LEASES_LOST, ATTEMPTS_RUNNING):
        metric.labels(stage)
    for metric in (ATTEMPT_SECONDS, QUEUE_SECONDS, REAL_TIME_FACTOR, BATCH_SIZE):
        metric.labels(stage)
    show_ends()


def show_ends() -> None:
    """Shows each way in which a task can end, at 0."""
    for state in State:
        if state.terminal:
            TASKS_ENDED.labels(state)
