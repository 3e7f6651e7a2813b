"""KEDA's arithmetic on the queue of a real worker."""

import threading

import pytest

from shared import keys
from shared.messages import StageName
from shared.redis import Redis, ResponseError
from shared.settings import BaseSettings
from tests.chart.helm import manifests, of_kind
from tests.chart.keda import LENGTH, replicas
from tests.conftest import wait_until
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import submit, until_ended, working

QUEUE = keys.queue(StageName.ASR)


async def _length(redis: Redis) -> int:
    return int(await redis.register_script(LENGTH)(keys=[QUEUE]))


async def test_k04_waiting_and_running_jobs_are_counted(redis: Redis, settings: BaseSettings) -> None:
    """0 when idle, 1 for a job that waits while there is no worker at all, 1 for one in work until it has ended."""
    assert await _length(redis) == 0
    await submit(redis, "one")
    assert await _length(redis) == 1
    begun, go_on = threading.Event(), threading.Event()

    def compute(_: int) -> None:
        begun.set()
        go_on.wait(20)

    async with working(STAGES[StageName.ASR], FakeEngine(compute), settings):
        await wait_until(begun.is_set, description="the job is in work")
        assert await _length(redis) == 1, "a busy worker would be taken away"
        go_on.set()

        async def empty() -> bool:
            return await _length(redis) == 0

        await wait_until(empty, description="the job has left the queue")


async def test_k06_the_queue_is_a_sorted_set(redis: Redis) -> None:
    """The scaler's own question fits, empty or not; that for a list would be refused."""
    assert await _length(redis) == 0
    await submit(redis, "one")
    assert await _length(redis) == 1
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await redis.register_script(b"return redis.call('LLEN', KEYS[1])")(keys=[QUEUE])


@pytest.mark.parametrize("values", ["staging", "production", "sentinel"])
def test_k05_a_single_job_wakes_each_stage(values: str) -> None:
    """No queue calls for more replicas than there are at least, and one job for one."""
    for scaler in of_kind("ScaledObject", manifests(values)).values():
        if scaler["spec"]["triggers"][0]["type"].startswith("redis"):
            assert replicas(0, scaler["spec"]) == scaler["spec"]["minReplicaCount"]
            assert replicas(1, scaler["spec"]) == 1


def test_pods_follow_from_the_length() -> None:
    """The counts that the documentation gives for production: eight jobs a replica of asr, four replicas at most."""
    asr = of_kind("ScaledObject", manifests("production"))["asr"]["spec"]
    lengths = (0, 1, 8, 9, 16, 17, 24, 25, 32, 33, 1000)
    assert [replicas(length, asr) for length in lengths] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]


async def test_k10_waiting_for_a_node_costs_no_run_time(redis: Redis, settings: BaseSettings) -> None:
    """A job that has waited for longer than it may run completes when a worker comes at last."""
    await submit(redis, "patient")
    seconds = 0.5

    async def waited() -> bool:
        return bool(await redis.zrangebyscore(QUEUE, "-inf", await _now(redis) - 1000 * 2 * seconds))

    await wait_until(waited, description="it has waited for twice as long as it may run")
    async with working(STAGES[StageName.ASR], FakeEngine(), settings, run_limit_seconds=seconds, run_limit_factor=0.01):

        async def handed_on() -> bool:
            return await redis.zcard(keys.queue(StageName.NLP)) == 1

        await wait_until(handed_on, description="asr has done it")
        async with working(STAGES[StageName.NLP], FakeEngine(), settings, run_limit_seconds=20.0):
            events = await until_ended(redis, "patient")
    assert events[-1].step == "completed"


async def _now(redis: Redis) -> int:
    seconds, microseconds = await redis.register_script(b"return redis.call('TIME')")()
    return int(seconds) * 1000 + int(microseconds) // 1000
