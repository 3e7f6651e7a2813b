"""KEDA's rule, as the chart sets it, on arrivals as they really come: no flapping, and nobody is forgotten."""

import functools
from collections.abc import Mapping
from statistics import median

import msgspec
import pytest

from tests.chart import scaling, scaling_plot
from tests.chart.helm import manifests, of_kind
from tests.chart.scaling import Limit, Load, Policy, Run, Stage

CASES: Mapping[str, tuple[str, str, Load]] = {
    "staging, asr": ("staging", "asr", Load(work=60, concurrency=4, start=40)),
    "production, asr": ("production", "asr", scaling_plot.LOAD),
    "production, nlp": ("production", "nlp", Load(work=80, concurrency=8, start=40)),
}
"""Values, stage, and what a task takes of it: on the fullest day there is work for nearly two replicas."""


def policy_of(values: str, stage: str) -> Policy:
    """What the chart sets."""
    return scaling.policy(of_kind("ScaledObject", manifests(values))[stage])


def run(policy: Policy, load: Load, day: str) -> Run:
    """A day, and two hours more for what is left of it."""
    return Stage(policy, load).until(26 * 3600, scaling.days()[day])


@functools.cache
def as_it_is(case: str, day: str) -> Run:
    """A day under what the chart sets."""
    values, stage, load = CASES[case]
    return run(policy_of(values, stage), load, day)


@pytest.mark.parametrize("day", scaling.days())
@pytest.mark.parametrize("case", CASES)
def test_k09_real_arrivals_make_no_flapping(case: str, day: str) -> None:
    """No replica goes before it has been there for as long as less must be enough, on a day of real arrivals; without
    that rule replicas would start twice as often, and some would live for little more than a minute."""
    values, stage, load = CASES[case]
    policy = policy_of(values, stage)
    steady = as_it_is(case, day)
    hasty = run(msgspec.structs.replace(policy, window=0, cooldown=0, down=[Limit("Pods", 100, 15)]), load, day)
    assert min(steady.lives) >= policy.window
    assert len(hasty.starts) > 2 * len(steady.starts)
    assert max(steady.replicas) <= policy.high


@pytest.mark.parametrize("day", scaling.days())
@pytest.mark.parametrize("case", CASES)
def test_k04_real_arrivals_starve_nobody(case: str, day: str) -> None:
    """Each task is taken and done; half of them at once, and the one that waits longest no longer than a first replica
    takes to come and the work that lies before it."""
    values, stage, load = CASES[case]
    policy = policy_of(values, stage)
    found = as_it_is(case, day)
    assert len(found.waits) == len(scaling.days()[day])
    assert found.jobs[-1] == 0
    assert median(found.waits) == 0
    assert max(found.waits) <= load.start + policy.polling + load.work * load.concurrency
    assert found.replicas[-1] == policy.low


@pytest.mark.parametrize("values", ["staging", "production"])
def test_k05_one_task_wakes_a_stage(values: str) -> None:
    """A single task wakes a stage that sleeps at the next look, and the stage sleeps again when it has been idle."""
    policy = policy_of(values, "asr")
    load = Load(work=30, concurrency=4, start=40)
    assert policy.low == 0
    found = Stage(policy, load).until(3600, [601])
    assert [start - 601 for start in found.starts] <= [policy.polling]
    assert len(found.starts) == 1
    assert found.waits[0] <= policy.polling + load.start
    assert load.start + load.work + policy.cooldown <= found.lives[0] <= 3000


def test_k09_bursts_start_no_pod_twice() -> None:
    """Twenty short tasks every two minutes, for ten minutes: what the first burst started serves the others, two pods
    in staging."""
    bursts = [120 * burst for burst in range(5) for _ in range(20)]
    found = Stage(policy_of("staging", "asr"), Load(work=1, concurrency=4, start=20)).until(600, bursts)
    assert len(found.waits) == 100
    assert len(found.starts) <= 2
    assert found.lives == []


@pytest.mark.parametrize(
    ("jobs", "replicas"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (18, 3), (32, 4), (33, 4), (1000, 4)]
)
def test_k06_the_depth_of_the_queue_says_how_many(jobs: int, replicas: int) -> None:
    """Jobs over what a replica holds, rounded up, up to the most."""
    policy = policy_of("production", "asr")
    assert (policy.length, policy.high) == (8, 4)
    found = Stage(policy, Load(work=1e9, concurrency=8, start=0)).until(300, [0] * jobs)
    assert found.replicas[-1] == replicas


def test_the_plot_shows_what_the_chart_does() -> None:
    """docs/scaling.svg is what `python -m tests.chart.scaling_plot` draws."""
    assert scaling_plot.FILE.read_text(encoding="utf-8") == scaling_plot.drawing()
