"""What each alert is for, as series that Prometheus may have: those on which it fires, and those on which none does."""

from collections.abc import Mapping

OF = 'namespace="demo", release="demo"'
ALARMS: Mapping[str, tuple[list[dict[str, str]], str, str]] = {
    "VoxmeshGatewayAbsent": ([], "10m", "No gateway of demo is scraped"),
    "VoxmeshNoWorker": (
        [
            {"series": f'voxmesh_queue_jobs{{{OF}, stage="nlp"}}', "values": "1x30"},
            {"series": f'voxmesh_workers{{{OF}, stage="nlp"}}', "values": "0x30"},
        ],
        "20m",
        "Tasks wait for nlp, and it has no live worker",
    ),
    "VoxmeshQueueOld": (
        [{"series": f'voxmesh_queue_oldest_seconds{{{OF}, stage="asr"}}', "values": "130+0x10"}],
        "8m",
        "A task has waited 2m 10s for asr",
    ),
    "VoxmeshTasksFail": (
        [
            {"series": f'voxmesh_tasks_ended_total{{{OF}, state="failed"}}', "values": "0+1x30"},
            {"series": f'voxmesh_tasks_ended_total{{{OF}, state="completed"}}', "values": "0+3x30"},
        ],
        "25m",
        "25% of the tasks of the last quarter of an hour have failed",
    ),
    "VoxmeshLeasesLost": (
        [{"series": f'voxmesh_leases_lost_total{{{OF}, stage="asr"}}', "values": "0+1x20"}],
        "15m",
        "Workers of asr fall silent over their tasks",
    ),
    "VoxmeshRedisMemory": (
        [
            {"series": f"voxmesh_redis_memory_bytes{{{OF}}}", "values": "90x20"},
            {"series": f"voxmesh_redis_memory_limit_bytes{{{OF}}}", "values": "100x20"},
        ],
        "10m",
        "Redis has used 90% of its memory",
    ),
    "VoxmeshRedisAway": (
        [{"series": f"voxmesh_redis_disruptions_total{{{OF}}}", "values": "0+5x20"}],
        "10m",
        "Redis has not been reachable from all of demo for minutes",
    ),
    "VoxmeshRedisUnfit": (
        [{"series": f'voxmesh_redis_faults{{{OF}, fault="eviction"}}', "values": "1x20"}],
        "15m",
        "Tasks are not safe in this Redis: eviction",
    ),
}
"""For each alert what makes it fire, when it has fired, and what it then says."""

QUIET = [
    {"series": f"voxmesh_open_streams{{{OF}}}", "values": "0x40"},
    {"series": f'voxmesh_queue_jobs{{{OF}, stage="nlp"}}', "values": "0x10 1x3 0x30"},
    {"series": f'voxmesh_workers{{{OF}, stage="nlp"}}', "values": "0x13 1x30"},
    {"series": f'voxmesh_queue_oldest_seconds{{{OF}, stage="asr"}}', "values": "0x10 110x30"},
    {"series": f'voxmesh_tasks_ended_total{{{OF}, state="failed"}}', "values": "0x20 2x20"},
    {"series": f'voxmesh_tasks_ended_total{{{OF}, state="completed"}}', "values": "0x40"},
    {"series": f'voxmesh_leases_lost_total{{{OF}, stage="asr"}}', "values": "0x10 1x20 2x10"},
    {"series": f"voxmesh_redis_memory_bytes{{{OF}}}", "values": "90x40"},
    {"series": f"voxmesh_redis_memory_limit_bytes{{{OF}}}", "values": "0x40"},
    {"series": f"voxmesh_redis_disruptions_total{{{OF}}}", "values": "0x10 9x30"},
    {"series": f'voxmesh_redis_faults{{{OF}, fault="eviction"}}', "values": "0x40"},
]
"""A mesh that is well: a stage that sleeps and wakes up, Redis away for a moment, two failures, no limit of memory."""
