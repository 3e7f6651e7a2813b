"""One Redis connection for the commands of everybody in the process.

What is asked for while an answer is under way waits, and then goes out together, as one write. So ten thousand clients
that come back at once after a restart cost one connection and a few hundred writes, and each costs a fraction of the
processor time that a command by itself takes. The price: a command waits for the batch before it, so what blocks
(BLPOP, XREAD BLOCK, WAIT) must not be asked of this client. Transactions and subscriptions have their own connections.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.exceptions import ConnectionError, ResponseError

from shared.redis import AWAY, Unwilling, answered

log = structlog.get_logger(__name__)

MOST = 32
"""Commands in a batch. Each may read a piece of a log: this bounds the memory that their answers take."""


class _Command(NamedTuple):
    """One command, and who waits for its answer."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    answer: asyncio.Future[Any]


class _Connection(Protocol):
    """What this module uses of redis-py's connection, with its types."""

    retry: Retry

    def pack_commands(self, commands: Sequence[tuple[Any, ...]]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes]) -> None: ...
    async def read_response(self, *, disable_decoding: bool = False, disconnect_on_error: bool = True) -> Any: ...
    async def disconnect(self, nowait: bool = False) -> None: ...


class _Replies:
    """A connection that outlives the refusal of one command: the replies to those behind it are still to come."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def read_response(self, *, disable_decoding: bool = False) -> Any:
        return await self._connection.read_response(disable_decoding=disable_decoding, disconnect_on_error=False)


class Batching(Client):
    """A client whose commands are sent as long as `work` runs. Its errors are those of the plain client."""

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)  # pyright: ignore[reportUnknownMemberType] - its options are untyped
        self._waiting: deque[_Command] = deque()
        self._wanted = asyncio.Event()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """What Redis answers to the command."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Command(args, options, answer))
        self._wanted.set()
        return await answer

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Commands that are given together. Those of a pipeline that is no transaction go with everybody else's."""
        if transaction:
            return super().pipeline(transaction, shard_hint)
        return _Together(self)

    async def work(self) -> None:
        """Send what waits, batch by batch, for ever. When it is cancelled, nobody is left waiting."""
        batch: Sequence[_Command] = ()
        try:
            while True:
                await self._wanted.wait()
                taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                batch = [command for command in taken if not command.answer.done()]  # the others have given up
                if batch:
                    await self._send(batch)
                elif not self._waiting:
                    self._wanted.clear()
        finally:
            _refuse([*batch, *self._waiting], ConnectionError("this process is stopping"))

    async def _send(self, batch: Sequence[_Command]) -> None:
        try:
            replies = await answered(self._ask(batch))
        except AWAY as error:
            _refuse(batch, error)
        except Exception as error:  # a command that cannot even be written down: the rest of the process goes on
            log.exception("redis_batch_failed")
            _refuse(batch, error)
        else:
            _answer(batch, replies)

    async def _ask(self, batch: Sequence[_Command]) -> list[Any]:
        pool: Any = self.connection_pool
        connection: _Connection = await pool.get_connection()
        try:
            return await connection.retry.call_with_retry(
                lambda: self._exchange(connection, batch), lambda _: connection.disconnect(nowait=True)
            )
        finally:
            await pool.release(connection)

    async def _exchange(self, connection: _Connection, batch: Sequence[_Command]) -> list[Any]:
        """The reply to each command; an exception where Redis refused it."""
        parse = cast("Any", self).parse_response
        replies: list[Any] = []
        try:
            await connection.send_packed_command(connection.pack_commands([command.arguments for command in batch]))
            for command in batch:
                name = command.arguments[0]
                try:
                    replies.append(await parse(_Replies(connection), name, **command.options))
                except (ResponseError, Unwilling) as refusal:
                    replies.append(refusal)
        except BaseException:
            await connection.disconnect(nowait=True)  # replies may be under way that nobody will read
            raise
        if any(isinstance(reply, Unwilling) for reply in replies):
            await connection.disconnect(nowait=True)  # a new one may find the new master
        return replies


class _Together(Pipeline):
    """A pipeline without a connection of its own."""

    def __init__(self, batching: Batching) -> None:
        pool, callbacks = cast("ConnectionPool", batching.connection_pool), batching.response_callbacks
        super().__init__(pool, callbacks, False, None)
        self._batching = batching

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The answer to each command, in order."""
        stack = cast("list[tuple[tuple[Any, ...], dict[str, Any]]]", self.command_stack)
        self.command_stack = []
        asked = [self._batching.execute_command(*arguments, **options) for arguments, options in stack]
        return await asyncio.gather(*asked, return_exceptions=not raise_on_error)


def _answer(batch: Sequence[_Command], replies: Sequence[Any]) -> None:
    for command, reply in zip(batch, replies, strict=True):
        if command.answer.done():
            continue
        if isinstance(reply, Exception):
            command.answer.set_exception(reply)
        else:
            command.answer.set_result(reply)


def _refuse(batch: Sequence[_Command], error: Exception) -> None:
    _answer(batch, [ConnectionError(str(error)) for _ in batch])  # one each: who raises it adds to its traceback
