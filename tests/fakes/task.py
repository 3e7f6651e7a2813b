"""A task whose events a test publishes itself, in the way of the commit script."""

import uuid
from typing import Any, cast

import msgspec

from shared import codec, events, keys, queue
from shared.messages import Options, Segment, StageName, State, Step, Summary, TranscriptPart
from shared.redis import Redis
from shared.scripts import Limits, Scripts, Submission

TTL_MS = 60_000


class LiveTask:
    """`log` holds the JSON of each event so far: event n is `log[n - 1]`."""

    def __init__(self, redis: Redis) -> None:
        self.task_id = uuid.uuid4().hex
        self.log: list[bytes] = []
        self._texts: list[events.Piece] = []
        self._redis = redis
        self._scripts = Scripts(redis, Limits(ttl_ms=TTL_MS, wait_ms=TTL_MS))

    async def create(self) -> "LiveTask":
        """The task, submitted and not yet begun."""
        await self._scripts.submit(
            Submission(
                task_id=self.task_id,
                route=(StageName.ASR, StageName.NLP),
                options=Options(),
                job=queue.stage_job(self.task_id),
                blob=self.task_id,
            )
        )
        return self

    async def say(self, text: str = "", *, step: Step = Step.TRANSCRIPTION, aloud: bool = True) -> int:
        """Append an event and publish it; not `aloud`, its message is lost on the way. The log leaves out its text."""
        number = len(self.log) + 1
        self._texts.append(events.Piece(" ", text))
        whole = TranscriptPart(
            transcript=events.joined(self._texts), segment=Segment(index=number, start=0, end=1, text=text)
        )
        made = events.make(self.task_id, step, partial=whole)
        logged = msgspec.structs.replace(
            made, partial_result=codec.raw_json(msgspec.structs.replace(whole, transcript=None))
        )
        event = codec.encode_json(made)
        self.log.append(event)
        client = cast("Any", self._redis)
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(keys.events(self.task_id), {"event": codec.encode_json(logged)}, id=f"{number}-0")
            pipeline.pexpire(keys.events(self.task_id), TTL_MS)
            pipeline.hset(keys.task(self.task_id), "events", number)
            if step.terminal:
                pipeline.hset(keys.task(self.task_id), "state", step.value)
            if aloud:
                pipeline.publish(keys.channel(self.task_id), b'{"id":"%d-0",' % number + event[1:])
            await pipeline.execute()
        return number

    async def chatter(self, count: int, text: str = "") -> None:
        """`count` events at once, each with `text` alone. Their JSON is not kept in `log`."""
        client = cast("Any", self._redis)
        first = len(self.log) + 1
        for start in range(first, first + count, 100):
            numbers = range(start, min(start + 100, first + count))
            async with client.pipeline(transaction=False) as pipeline:
                for number in numbers:
                    event = codec.encode_json(
                        events.make(self.task_id, Step.SUMMARIZATION, partial=Summary(summary=text))
                    )
                    self.log.append(b"")
                    pipeline.xadd(keys.events(self.task_id), {"event": event}, id=f"{number}-0")
                    pipeline.publish(keys.channel(self.task_id), b'{"id":"%d-0",' % number + event[1:])
                pipeline.pexpire(keys.events(self.task_id), TTL_MS)
                pipeline.hset(keys.task(self.task_id), "events", numbers[-1])
                await pipeline.execute()

    async def complete(self, *, aloud: bool = True) -> int:
        """The last event of a task that went well."""
        return await self.say(step=Step.COMPLETED, aloud=aloud)

    async def cancel(self) -> None:
        """End the task as the scripts do it."""
        event = events.make_end(self.task_id, State.CANCELLED)
        await self._scripts.close(self.task_id, State.CANCELLED, event=event, error="")
