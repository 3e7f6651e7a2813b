"""Prometheus metrics of every service, in one registry. Labels have few values: never a task id."""

from prometheus_client import Counter, Gauge, Histogram

REDIS_DISRUPTIONS = Counter("voxmesh_redis_disruptions_total", "Commands that met a Redis that was away")
REDIS_FAULTS = Gauge(
    "voxmesh_redis_faults", "1 where tasks are not safe in this Redis, by what is wrong with it", ["fault"]
)
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
RECORDS = Counter("voxmesh_records_total", "Records written", ["stage"])
RECORDS_REFUSED = Counter("voxmesh_records_refused_total", "Records that were there already", ["stage"])
SUPERSEDED = Counter("voxmesh_attempts_superseded_total", "Attempts that were shut out by their fence", ["stage"])
AUDIO_SECONDS = Counter("voxmesh_audio_seconds_total", "Seconds of audio transcribed")
TASKS_SUBMITTED = Counter("voxmesh_tasks_submitted_total", "Tasks accepted")
TASKS_ENDED = Counter(
    "voxmesh_tasks_ended_total", "Tasks by their end, as seen by the process that ended it", ["state"]
)
REQUESTS_REFUSED = Counter("voxmesh_requests_refused_total", "Requests refused, by the code of the answer", ["code"])
OPEN_STREAMS = Gauge("voxmesh_open_streams", "Event streams open on this gateway")
EVENTS_SENT = Counter("voxmesh_events_sent_total", "Events sent to clients")
