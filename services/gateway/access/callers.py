"""Who asks, and what that lets them see.

A guard stands before every handler, so a route that nobody has thought about asks for a key: its handler says with
`opt=OPEN` that anybody may come in, with `opt=LINK` that a signed link will do. The handler gets the `Caller`.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Protocol, cast

import msgspec
import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from services.gateway.access.keyring import Keyring
from services.gateway.access.links import LinkSigner
from services.gateway.access.rate import Rate
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared.redis import Redis

log = structlog.get_logger(__name__)

OPEN: Mapping[str, Any] = {"access": "open"}
LINK: Mapping[str, Any] = {"access": "link"}

Asking = Request[Any, Any, Any]

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="voxmesh"'}


class Owned(Protocol):
    """A task, as far as it matters here."""

    @property
    def task_id(self) -> str: ...

    @property
    def owner(self) -> str: ...


class Caller(msgspec.Struct, frozen=True):
    """Who asks. Every task belongs to an owner; a tenant's name, or "" where no keys are asked for."""

    owner: str = ""
    tasks: frozenset[str] | None = None
    """Somebody who came with signed links sees these tasks and no others, whoever owns them."""

    def sees(self, task: Owned) -> bool:
        """Whether the task exists for this caller. To anybody else it is one that never was."""
        if self.tasks is not None:
            return task.task_id in self.tasks
        return task.owner == self.owner


CallerInjected = NamedDependency[Caller]
"""How a handler asks for the caller."""

_NOBODY = Caller()


class Access:
    """The guard of all routes. Raises `SettingsError` for keys that cannot be read."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._keyring = Keyring(settings)
        self._links = LinkSigner(redis, settings)
        self._rate = Rate(redis, settings.requests_per_minute)
        self._host = settings.host

    @property
    def required(self) -> bool:
        """Whether a key is asked for."""
        return self._keyring.required

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request through to its handler, or raise `Problem` with 401, 403 or 429."""
        request, door = cast("Asking", connection), handler.opt.get("access")
        if door == "open" or not self.required or request.method == "OPTIONS":
            return  # a browser asks for its OPTIONS without a key, and learns no more than which methods there are
        caller = await self._identify(request, by_link=door == "link")
        state = request.scope["state"]
        state["caller"] = caller
        await self._rate.take(min(caller.tasks) if caller.tasks else f"tenant:{caller.owner}", state)

    async def token(self, task_id: str, caller: Caller) -> str | None:
        """What makes a link to the task's stream good without a key; None where no keys are asked for. Somebody who has
        a link gets none: it would never end."""
        if not self.required or caller.tasks is not None:
            return None
        return await self._links.sign(task_id)

    def announce(self) -> None:
        """Say in the log who is let in."""
        if self.required:
            log.info("access_by_key", keys=len(self._keyring.entries))
        elif _is_loopback(self._host):
            log.info("access_open", host=self._host, reason="no API_KEYS; only this machine can connect")
        else:
            log.warning("access_open_to_network", host=self._host, reason="no API_KEYS: whoever can connect is let in")

    async def _identify(self, request: Asking, *, by_link: bool) -> Caller:
        key = _key_of(request)
        if key:
            owner = self._keyring.owner_of(key)
            if owner is None:
                raise Problem(403, "key_unknown", "This key is not known here, or no longer.")
            return Caller(owner)
        if by_link and (tokens := request.query_params.getall("token", [])):
            return Caller(tasks=frozenset([await self._links.check(token) for token in tokens]))
        detail = "Send your key as 'Authorization: Bearer …' or as 'X-API-Key: …'."
        raise Problem(401, "key_missing", detail, headers=_CHALLENGE)


def caller_of(request: Asking) -> Caller:
    """Provides `caller`: whom the guard has let in."""
    return request.scope["state"].get("caller", _NOBODY)


def _key_of(request: Asking) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("x-api-key", "").strip()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
