"""The Lua scripts of the mesh, typed. Each is one state change; `shared/lua/<name>.lua` says what it promises.

A script takes one msgpack map, and after it what is binary: a job and records (the msgpack of Redis knows text only).
All are safe to repeat after a lost reply, except `take`: what that has leased is free again when the lease lapses.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import msgspec

from shared import codec, keys
from shared.commit import Commit, Committed
from shared.errors import Closed, RolledBack, Superseded
from shared.messages import Options, StageName, State
from shared.redis import Redis
from shared.submission import KeyReused, NoRoom, Room, Submission


def _source(*names: str) -> bytes:
    return b"".join(files("shared").joinpath("lua", f"{name}.lua").read_bytes() for name in names)


_SOURCES = {
    **{name: _source(name) for name in ("take", "renew", "finish", "discard")},
    **{name: _source("trail", name) for name in ("claim", "release")},
    "commit": _source("trail", "progress", "commit"),
    "close": _source("progress", "close"),
    **{name: _source("room", name) for name in ("admit", "submit")},
}

_ENDLESS = Room()
_LOOK_AT = 10_000
"""How many jobs of a queue a worker looks through for a free one: more than a fleet ever has in hand."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long things live, in milliseconds."""

    ttl_ms: int
    """A task's keys, after its last sign of life."""
    wait_ms: int
    """Without a sign of life, a task counts as lost after this."""
    tombstone_ms: int = 604_800_000
    """How much longer than its keys it is known that a task was, counted from its submission."""


class Lost(msgspec.Struct, frozen=True):
    """An attempt whose worker fell silent. Its token is about when it began (ms)."""

    token: int
    worker: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt starts from."""

    token: int
    attempt: int
    tail: int
    """Number of the last record that is written already."""
    route: tuple[StageName, ...]
    options: Options
    blob: str
    duration: float
    turn: int
    """How many stages of the route have ended."""
    published: int
    """Number of the last record whose event is published."""
    queued_seconds: float
    submitted: datetime
    """When the task was submitted; UTC."""
    lost: Lost | None
    """The attempt before, if its worker fell silent over it."""


class Exhausted(Exception):
    """The stage has used up its attempts, the last of which is `attempt`; `token` lets the caller end the task."""

    def __init__(self, token: int, attempt: int, lost: Lost | None) -> None:
        super().__init__(f"attempt {attempt}")
        self.token = token
        self.attempt = attempt
        self.lost = lost


class AlreadyDone(Exception):
    """There is nothing to do: the stage has ended, or its task is gone or closed."""


class Scripts:
    """The scripts over one client."""

    def __init__(self, redis: Redis, limits: Limits) -> None:
        self._redis = redis
        self._limits = limits
        self._scripts = {name: redis.register_script(source) for name, source in _SOURCES.items()}

    async def admit(
        self, owner: str, route: Sequence[StageName], room: Room, *, seconds: float, once: str | None = None
    ) -> None:
        """Raises `NoRoom` when there is none for a task of this owner with so much audio at least, on a route that has
        at least these stages. `once` is its idempotency key."""
        request: dict[str, Any] = {"room": room.request(owner, route, seconds=seconds)}
        if once is not None:
            request["once"] = keys.once(owner, once)
        _check_room(*await self._call("admit", [], request))

    async def submit(self, submission: Submission, room: Room = _ENDLESS) -> str:
        """Create the task and enqueue its first stage. Returns the task's id, or that of the task which the same `once`
        has created before. Raises `KeyReused` when that one had another body, and `NoRoom`."""
        request = submission.request() | {"tombstone_ms": self._limits.tombstone_ms}
        request["room"] = room.request(submission.owner, submission.route, seconds=submission.duration)
        status, known = await self._call("submit", submission.keys(), request, submission.job, *submission.records)
        if status == b"REUSED":
            raise KeyReused
        _check_room(status, known)
        return known.decode()

    async def take(
        self, stage: StageName, *, count: int, lease_ms: int, held: Sequence[str] = ()
    ) -> list[tuple[str, bytes]]:
        """Lease up to `count` jobs of the stage that are due, none of those in `held`: their ids and the jobs."""
        request = {"count": count, "held": held, "lease_ms": lease_ms}
        request |= {"lease_prefix": keys.LEASE_PREFIX, "job_prefix": keys.JOB_PREFIX, "look_at": _LOOK_AT}
        taken = await self._call("take", [keys.queue(stage)], request)
        return [(job_id.decode(), job) for job_id, job in zip(taken[::2], taken[1::2], strict=True)]

    async def claim(self, task_id: str, stage: StageName, *, claimant: str, max_attempts: int) -> Claim:
        """Begin an attempt; the one before is shut out. `claimant` names the attempt, so that a repeated call is no
        second one. Raises `AlreadyDone` or `Exhausted`."""
        status, *rest = await self._call(
            "claim",
            [keys.task(task_id), keys.out(task_id, stage), keys.WATCH],
            {"task_id": task_id, "stage": stage, "claimant": claimant, "max_attempts": max_attempts},
        )
        match status:
            case b"OK":
                return _claim(rest)
            case b"EXHAUSTED":
                raise Exhausted(rest[0], rest[1], _lost(rest[2], rest[3]))
            case _:
                raise AlreadyDone(status.decode())

    async def commit(self, commit: Commit, records: Sequence[bytes] = (), *, job: bytes = b"") -> Committed:
        """Write what an attempt has to say: `records` from number `commit.first` on, and the rest of `commit`. `job` is
        the job of `commit.next`. Raises `Superseded`, `Closed` or `RolledBack` when the attempt may not write."""
        task_id, stage = commit.task_id, StageName(commit.stage)
        next_stage = StageName(commit.next.stage) if commit.next else stage
        reply = await self._run(
            "commit",
            [
                keys.task(task_id),
                keys.events(task_id),
                keys.out(task_id, stage),
                keys.result(task_id),
                keys.WATCH,
                *_places(task_id, stage),
                *_places(task_id, next_stage)[:2],
                keys.WEBHOOKS,
            ],
            codec.encode(commit),
            job,
            *records,
        )
        _check(reply)
        _, due, total, refused = reply
        return Committed(due=bool(due), total=None if total < 0 else total, refused=refused)

    async def renew(self, task_id: str, stage: StageName, *, token: int, lease_ms: int) -> None:
        """Keep the lease. Raises `Superseded` or `Closed` when there is none to keep."""
        reply = await self._call(
            "renew",
            [keys.task(task_id), keys.job(task_id, stage), keys.lease(task_id, stage), keys.WATCH],
            {"task_id": task_id, "stage": stage, "token": token, "lease_ms": lease_ms},
        )
        _check(reply)

    async def release(
        self,
        task_id: str,
        stage: StageName,
        *,
        token: int,
        why: str = "handed_back",
        code: str | None = None,
        after_seconds: float = 0.0,
        forgiven: bool = False,
    ) -> None:
        """Hand the stage back to its queue for another attempt. One that is `forgiven` does not count. An attempt that
        has been superseded changes nothing. `why` and `code`, that of an error, are for the timeline."""
        names = [keys.task(task_id), keys.queue(stage), keys.lease(task_id, stage)]
        request = {"task_id": task_id, "stage": stage, "token": token, "job_id": keys.job_id(task_id, stage)}
        request |= {"wake": keys.wake(stage), "delay_ms": int(after_seconds * 1000), "forgiven": forgiven}
        request |= {"why": why} | ({} if code is None else {"code": code})
        await self._call("release", names, request)

    async def finish(self, task_id: str, stage: StageName) -> None:
        """Take the stage's job off its queue if nothing is left to do; otherwise it is another attempt's, and stays."""
        names = [keys.task(task_id), *_places(task_id, stage)]
        await self._call("finish", names, {"stage": stage, "job_id": keys.job_id(task_id, stage)})

    async def close(
        self,
        task_id: str,
        state: State,
        *,
        event: str,
        error: str,
        stage: StageName | None = None,
        token: int | None = None,
        overdue: bool = False,
    ) -> str:
        """End the task, and take its jobs off their queues. The status says what happened: OK, CLOSED (it had ended),
        SUPERSEDED, ALIVE or GONE."""
        request: dict[str, Any] = {
            "task_id": task_id,
            "state": state,
            "event": event,
            "error": error,
            "channel": keys.channel(task_id),
            "overdue": overdue,
            "jobs": [keys.job_id(task_id, each) for each in StageName],
        }
        if token is not None:
            request |= {"stage": stage, "token": token}
        names = [keys.task(task_id), keys.events(task_id), keys.WATCH, keys.WEBHOOKS]
        for each in StageName:
            names += _places(task_id, each)
        reply = await self._call("close", names, request)
        return reply[0].decode()

    async def discard(self, task_id: str, stage: StageName) -> None:
        """Remove a task whose whole route is `stage`, and all that belongs to it."""
        names = [keys.WATCH, *_places(task_id, stage), keys.task(task_id), keys.events(task_id), keys.result(task_id)]
        names += [keys.out(task_id, keys.SOURCE), keys.out(task_id, stage)]
        await self._call("discard", names, {"task_id": task_id, "job_id": keys.job_id(task_id, stage)})

    async def _call(self, name: str, names: Sequence[str], request: dict[str, Any], *binary: bytes) -> Any:
        request |= {"ttl_ms": self._limits.ttl_ms, "wait_ms": self._limits.wait_ms}
        return await self._run(name, names, codec.pack(request), *binary)

    async def _run(self, name: str, names: Sequence[str], *arguments: bytes) -> Any:
        return await self._scripts[name](keys=list(names), args=list(arguments))


def _places(task_id: str, stage: StageName) -> list[str]:
    return [keys.queue(stage), keys.job(task_id, stage), keys.lease(task_id, stage)]


def _claim(fields: Sequence[Any]) -> Claim:
    token, attempt, now, tail, route, options, blob, duration, turn, published, queued, created, *before = fields
    return Claim(
        token=token,
        attempt=attempt,
        tail=tail,
        route=tuple(StageName(name) for name in route.decode().split(",")),
        options=codec.decode_options(options),
        blob=blob.decode(),
        duration=float(duration),
        turn=int(turn),
        published=int(published),
        queued_seconds=max(0.0, (now - int(queued)) / 1000),
        submitted=datetime.fromtimestamp(int(created) / 1000, UTC),
        lost=_lost(*before),
    )


def _lost(token: int, claimant: bytes) -> Lost | None:
    return Lost(token, claimant.decode().partition("/")[0]) if token else None


def _check_room(status: bytes, wait_ms: Any) -> None:
    if status != b"OK":
        raise NoRoom(status.decode(), wait_ms / 1000)


def _check(reply: Sequence[Any]) -> None:
    match reply[0]:
        case b"OK":
            return
        case b"SUPERSEDED":
            raise Superseded
        case b"ROLLED_BACK":
            raise RolledBack
        case b"CLOSED":
            raise Closed(State(reply[1].decode()))
        case _:
            raise Closed(State.EXPIRED)
