"""A stage under KEDA, second by second: arrivals, a queue, replicas that take time to come, and two loops that count.

The arithmetic is that of KEDA's scaler and of the autoscaler in Kubernetes, from what a ScaledObject says:

- KEDA looks every `pollingInterval`: with more jobs than `activationListLength` it wakes the first replica, and when
  there has been no such moment for `cooldownPeriod` it takes the last ones;
- between one replica and the most, the autoscaler looks every 15 s: jobs over `listLength`, rounded up, unless that is
  within a tenth of what is there. Down it goes by the highest count of its window, and both ways by its policies.

A job is in the queue until it has ended, as with arq. A replica shares its one engine among the jobs in its hand. When
one goes it is the busiest, which is the worst choice: its jobs are continued by others, where it left off.
"""

import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

ARRIVALS = Path(__file__).with_name("arrivals.txt")
_SYNC_SECONDS = 15
_TOLERANCE = 0.1


class Limit(NamedTuple):
    """So much in a period: `Pods` by number, `Percent` of what is there."""

    kind: str
    value: int
    seconds: int


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a ScaledObject says."""

    low: int
    high: int
    length: int
    activation: int
    polling: int
    cooldown: int
    window: int
    up: Sequence[Limit]
    down: Sequence[Limit]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a job takes of an engine, how many a replica has in hand, and how long one takes to come. Seconds."""

    work: float
    concurrency: int
    start: int


class Replica(msgspec.Struct, kw_only=True):
    """`hand` are the jobs that it works on."""

    since: int
    ready: int
    hand: list["Job"] = msgspec.field(default_factory=list["Job"])


class Job(msgspec.Struct, kw_only=True):
    """`left` is the work that is still to be done."""

    came: int
    left: float
    taken: int | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Replicas and jobs by the minute; seconds that jobs waited and replicas lived; when replicas were started."""

    replicas: list[int] = msgspec.field(default_factory=list[int])
    jobs: list[int] = msgspec.field(default_factory=list[int])
    waits: list[int] = msgspec.field(default_factory=list[int])
    lives: list[int] = msgspec.field(default_factory=list[int])
    starts: list[int] = msgspec.field(default_factory=list[int])


def policy(scaled: dict[str, Any]) -> Policy:
    """What the manifest of a ScaledObject with one queue says."""
    spec = scaled["spec"]
    (trigger,) = spec["triggers"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert {behavior[way]["selectPolicy"] for way in ("scaleUp", "scaleDown")} == {"Max"}
    return Policy(
        low=spec["minReplicaCount"],
        high=spec["maxReplicaCount"],
        length=int(trigger["metadata"]["listLength"]),
        activation=int(trigger["metadata"]["activationListLength"]),
        polling=spec["pollingInterval"],
        cooldown=spec["cooldownPeriod"],
        window=behavior["scaleDown"]["stabilizationWindowSeconds"],
        up=_limits(behavior["scaleUp"]["policies"]),
        down=_limits(behavior["scaleDown"]["policies"]),
    )


def _limits(policies: list[dict[str, Any]]) -> Sequence[Limit]:
    return [Limit(each["type"], each["value"], each["periodSeconds"]) for each in policies]


def days() -> dict[str, list[int]]:
    """Real arrivals, by the second, of each day in arrivals.txt."""
    blocks = re.findall(r"^# (.*): \S+\n([\d\n]+)", ARRIVALS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: list(_spread(cast("str", digits).replace("\n", ""))) for name, digits in blocks}


def _spread(digits: str) -> Iterator[int]:
    for minute, digit in enumerate(digits):
        for place in range(int(digit)):
            yield 60 * minute + 60 * place // int(digit)


class Stage:
    """One stage, from empty."""

    def __init__(self, policy: Policy, load: Load) -> None:
        self.run = Run()
        self._policy = policy
        self._load = load
        self._replicas = [Replica(since=0, ready=0) for _ in range(policy.low)]
        self._waiting: deque[Job] = deque()
        self._advice: list[tuple[int, int]] = []
        self._changes: list[tuple[int, int]] = []
        self._busy = 0

    @property
    def jobs(self) -> int:
        """ZCARD of the queue."""
        return len(self._waiting) + sum(len(replica.hand) for replica in self._replicas)

    def until(self, end: int, arrivals: Sequence[int]) -> Run:
        """Let it run for `end` seconds, in which jobs come at those of `arrivals`."""
        coming = deque(arrivals)
        for now in range(end):
            while coming and coming[0] <= now:
                self._waiting.append(Job(came=coming.popleft(), left=self._load.work))
            self._work(now)
            if now % self._policy.polling == 0:
                self._wake(now)
            if now % _SYNC_SECONDS == 0 and self._replicas:
                self._scale(now, self._advise(now))
            if now % 60 == 0:
                self.run.replicas.append(len(self._replicas))
                self.run.jobs.append(self.jobs)
        return self.run

    def _work(self, now: int) -> None:
        for replica in self._replicas:
            if replica.ready > now:
                continue
            while self._waiting and len(replica.hand) < self._load.concurrency:
                job = self._waiting.popleft()
                if job.taken is None:
                    job.taken = now
                    self.run.waits.append(now - job.came)
                replica.hand.append(job)
            for job in replica.hand:
                job.left -= 1 / len(replica.hand)
            replica.hand = [job for job in replica.hand if job.left > 0]

    def _wake(self, now: int) -> None:
        if self.jobs > self._policy.activation:
            self._busy = now
            if not self._replicas:
                self._scale(now, max(self._policy.low, 1))
        elif now - self._busy > self._policy.cooldown and not self._policy.low:
            self._scale(now, 0)

    def _advise(self, now: int) -> int:
        """What the autoscaler wants."""
        there, rules = len(self._replicas), self._policy
        wanted = math.ceil(self.jobs / rules.length)
        if abs(self.jobs / (rules.length * there) - 1) <= _TOLERANCE:
            wanted = there
        wanted = min(max(wanted, rules.low, 1), rules.high)
        self._advice = [(at, number) for at, number in self._advice if now - at < rules.window] + [(now, wanted)]
        highest = max(number for _, number in self._advice)
        if wanted > there:
            return min(wanted, max(self._bound(limit, now) for limit in rules.up))
        if highest < there:
            return max(highest, min(self._bound(limit, now, sign=-1) for limit in rules.down))
        return there

    def _bound(self, limit: Limit, now: int, *, sign: int = 1) -> int:
        """How far a policy lets it go, from what was there at the start of its period."""
        changed = sum(by for at, by in self._changes if now - at < limit.seconds and by * sign > 0)
        before = len(self._replicas) - changed
        step = limit.value if limit.kind == "Pods" else math.ceil(before * limit.value / 100)
        return before + sign * step

    def _scale(self, now: int, wanted: int) -> None:
        by = wanted - len(self._replicas)
        if by:
            self._changes.append((now, by))
        for _ in range(by):
            self.run.starts.append(now)
            self._replicas.append(Replica(since=now, ready=now + self._load.start))
        for _ in range(-by):
            victim = max(self._replicas, key=lambda replica: len(replica.hand))
            self._replicas.remove(victim)
            self._waiting.extendleft(reversed(victim.hand))
            self.run.lives.append(now - victim.since)
