"""`SyncMeshClient`: `MeshClient` for programs that know no event loop. It runs one, on a thread of its own."""

import asyncio
import atexit
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from shared.client._client import MeshClient
from shared.client._form import Audio, Options
from shared.client._task import TaskState, Update
from shared.messages import Result, State

T = TypeVar("T")

_FAREWELL_SECONDS = 5.0
"""How long a call that was interrupted may take to let go of its connection."""


class SyncMeshClient:
    """A context manager with the methods of `MeshClient`, which say what each does: those block until they are done,
    and what is an asynchronous generator there is a generator here. Any number of threads may share it.

    An interrupted call (Ctrl-C) ends at once, and a generator that is closed or left lets go of its connection. Whoever
    forgets to close it loses nothing: it is closed as the interpreter ends. A process that is forked makes its own:
    threads do not come along, and calls of one from before raise `RuntimeError`.
    """

    def __init__(
        self, url: str, *, api_key: str = "", patience: float = 60.0, verify: ssl.SSLContext | bool = True
    ) -> None:
        """Raises `ValueError` when `url` is no address or `api_key` cannot be sent. Connects with the first request."""
        self._client = MeshClient(url, api_key=api_key, patience=patience, verify=verify)
        self._process = os.getpid()
        self._lock = threading.Lock()
        """Held while work is handed to the loop, so that nothing is behind what closes it."""
        self._closed = False
        self._streams: set[AsyncGenerator[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="voxmesh-client", daemon=True)
        self._thread.start()
        _open.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; streams on them end. No error when it was closed before."""
        if self._process != os.getpid():  # the connections are those of the other process
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            left = asyncio.run_coroutine_threadsafe(self._leave(), self._loop)
        left.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def submit(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> str:
        return self._wait(
            self._client.submit(audio, name=name, idempotency_key=idempotency_key, deadline=deadline, **options)
        )

    def submit_text(
        self,
        text: str,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> str:
        return self._wait(
            self._client.submit_text(text, name=name, idempotency_key=idempotency_key, deadline=deadline, **options)
        )

    def watch(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> Generator[Update]:
        return self._each(
            self._client.watch(audio, name=name, idempotency_key=idempotency_key, deadline=deadline, **options)
        )

    def events(self, task_id: str, *, after: str = "", deadline: float | None = None) -> Generator[Update]:
        return self._each(self._client.events(task_id, after=after, deadline=deadline))

    def events_of(
        self, task_ids: Sequence[str], *, after: str = "", deadline: float | None = None
    ) -> Generator[Update]:
        return self._each(self._client.events_of(task_ids, after=after, deadline=deadline))

    def transcribe(
        self,
        audio: Audio,
        *,
        name: str = "",
        idempotency_key: str | None = None,
        deadline: float | None = None,
        **options: Unpack[Options],
    ) -> Result:
        return self._wait(
            self._client.transcribe(audio, name=name, idempotency_key=idempotency_key, deadline=deadline, **options)
        )

    def task(self, task_id: str, *, debug: bool = False, deadline: float | None = None) -> TaskState:
        return self._wait(self._client.task(task_id, debug=debug, deadline=deadline))

    def tasks(self, *, state: State | None = None, deadline: float | None = None) -> Generator[TaskState]:
        return self._each(self._client.tasks(state=state, deadline=deadline))

    def result(self, task_id: str, *, deadline: float | None = None) -> Result:
        return self._wait(self._client.result(task_id, deadline=deadline))

    def result_as(
        self,
        task_id: str,
        kind: Literal["txt", "srt", "vtt", "tsv", "json"],
        *,
        translated: bool = False,
        deadline: float | None = None,
    ) -> str:
        return self._wait(self._client.result_as(task_id, kind, translated=translated, deadline=deadline))

    def cancel(self, task_id: str, *, deadline: float | None = None) -> None:
        self._wait(self._client.cancel(task_id, deadline=deadline))

    def capabilities(self, *, deadline: float | None = None) -> dict[str, Any]:
        return self._wait(self._client.capabilities(deadline=deadline))

    def _each(self, items: AsyncGenerator[T]) -> Generator[T]:
        self._streams.add(items)
        try:
            while True:
                found = self._wait(_next(items))
                if not found:
                    return
                yield found[0]
        finally:
            self._streams.discard(items)
            self._let_go(items)

    def _let_go(self, items: AsyncGenerator[Any]) -> None:
        if self._closed or self._process != os.getpid():
            return
        if threading.current_thread() is self._thread:  # the garbage collector has come by there
            self._hand_over(_close(items))
        else:
            self._wait(_close(items))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. When the caller is interrupted, `work` has ended before this does."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("A recording that comes in pieces cannot use the client that sends it.")
        future, ended = self._hand_over(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(_FAREWELL_SECONDS)
            raise

    def _hand_over(self, work: Coroutine[Any, Any, T]) -> tuple["Future[T]", threading.Event]:
        """The answer to come, and what is set when `work` has ended: a future that is cancelled does not wait."""
        ended = threading.Event()

        async def run() -> T:
            try:
                return await work
            finally:
                ended.set()

        if self._process != os.getpid():
            work.close()
            raise RuntimeError("This client belongs to the process that has forked this one; make another.")
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(run(), self._loop), ended
        work.close()
        raise RuntimeError("This client is closed.")

    async def _leave(self) -> None:
        """Ends what is under way, in other threads perhaps."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for items in list(self._streams):  # from the outside in, which `shutdown_asyncgens` does not know
            await items.aclose()
        await self._client.__aexit__(None, None, None)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


async def _next(items: AsyncGenerator[T]) -> tuple[T] | tuple[()]:
    """The next of `items`; nothing behind the last."""
    async for item in items:
        return (item,)
    return ()


async def _close(items: AsyncGenerator[Any]) -> None:
    await items.aclose()


_open: "weakref.WeakSet[SyncMeshClient]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """While threads still run: a generator that is left behind would wait for one that never does again."""
    for client in list(_open):
        client.close()
