"""The gateway's application and its process."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, cast

import uvicorn
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway import capabilities, health, openai_api, page, problems, results, streams, tasks
from services.gateway.access import caller_of, tell_rate
from services.gateway.cors import cors_config, origins_of, vary
from services.gateway.garbage import spare_the_old
from services.gateway.head import answering_head
from services.gateway.limits import raise_file_limit
from services.gateway.methods import options_for
from services.gateway.openapi import schema_config
from services.gateway.parameters import Query
from services.gateway.protocol import Protocol
from services.gateway.runtime import build, running
from services.gateway.settings import Settings
from shared import logs
from shared.errors import SettingsError
from shared.fitness import refuse_cluster
from shared.settings import load
from shared.tracing import OFF, Tracing, tracing_of

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds for which proxies keep a connection, so that they never write to one that is closing."""
FAREWELL_SECONDS = 2.0
"""How long a client may take to read the rest of its stream when the gateway stops."""

HANDLERS = (
    streams.submit_and_stream,
    streams.submit_text_and_stream,
    streams.stream,
    streams.task_events,
    streams.submit_and_poll,
    streams.poll,
    streams.events_of_many,
    tasks.submit_task,
    tasks.submit_text_task,
    tasks.task_list,
    tasks.task_state,
    tasks.cancel_task,
    capabilities.capabilities,
    results.task_result,
    health.live,
    health.ready,
    health.metrics,
    *openai_api.HANDLERS,
)


def create_app(settings: Settings, tracing: Tracing = OFF) -> Litestar:
    """The application, not yet at work. Raises `SettingsError` for what cannot be."""
    runtime = build(settings, tracing)
    handlers = HANDLERS + (page.HANDLERS if settings.page else ())
    cors = cors_config(origins_of(settings.cors_origins))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        async with running(runtime):
            yield

    return Litestar(
        route_handlers=[options_for(handlers), *handlers],
        guards=[runtime.access.guard, Query().guard],
        dependencies={
            "runtime": Provide(lambda: runtime, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        state=State({"runtime": runtime}),
        exception_handlers={Exception: _answer},
        lifespan=[lifespan],
        cors_config=cors,
        before_send=[tell_rate, vary] if cors else [tell_rate],
        openapi_config=schema_config(
            version("voxmesh"), keys=runtime.access.required, foreign={openai_api.PREFIX: openai_api.describe}
        ),
        request_max_body_size=None,  # an upload's own limit depends on the settings
        logging_config=None,
    )


def _answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A refusal in the shape of the API that was asked."""
    api = openai_api if request.url.path.startswith(openai_api.PREFIX) else problems
    return api.answer(request, error)


class Server(uvicorn.Server):
    """A server whose open streams end when it begins to stop, so that it need not wait for them."""

    def __init__(self, settings: Settings, tracing: Tracing = OFF) -> None:
        self._app = create_app(settings, tracing)
        super().__init__(
            uvicorn.Config(
                answering_head(self._app),
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=Protocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.runtime.hub.close()
        self._app.state.runtime.polling.close()
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._drop_the_deaf)
        await super().shutdown(sockets)

    def _drop_the_deaf(self) -> None:
        """Cut the connections of clients that do not read what they were sent: they would never read the end either."""
        for connection in cast("set[HttpToolsProtocol]", set(self.server_state.connections)):
            flow: FlowControl = connection.flow
            if flow.write_paused:
                connection.transport.abort()


def main() -> None:
    """Run the gateway until it is told to stop. Exits with 2 when it cannot start with its settings."""
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again when it has stopped in good order
        signal.signal(number, _leave)
    try:
        settings = load(Settings, os.environ)
        logs.configure(settings, service="gateway")
        raise_file_limit()
        server = Server(settings, tracing_of(os.environ, service="gateway"))
        asyncio.run(refuse_cluster(settings))
    except SettingsError as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(2) from error
    spare_the_old()
    server.run()


def _leave(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
