"""What stands behind the `?` of an address: a name that the handler does not know is refused, not ignored.

Known are the parameters of the handler's signature, so the two cannot differ. Paths that are open to all take whatever
comes: probes, scrapers and browsers add things of their own. So do those that say `opt=ANY_QUERY`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from services.gateway.access import OPEN
from services.gateway.intake.forms import FIELDS
from services.gateway.problems import Problem, nearest

ANY_QUERY: Mapping[str, Any] = {"query": "any"}

_ANYWHERE = frozenset({"token", "_"})
"""What a link carries in place of a key: where keys decide, or none, it makes no difference. And what libraries of
pages add so that no cache answers."""
_SHOWN = 100


class Query:
    """The guard of all routes' parameters. Raises `Problem` with 400."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Mapping[str, bool]] = {}

    def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request through to its handler if that knows each of its parameters, and each that is no list is
        there once."""
        request = cast("Request[Any, Any, Any]", connection)
        if not request.query_params or _says(handler, OPEN) or _says(handler, ANY_QUERY):
            return
        if not self._known:
            self._known = _known_of_all(request.app)
        known, seen = self._known[request.scope["path_template"], request.method], set[str]()
        for name, _ in request.query_params.multi_items():
            if name in _ANYWHERE:
                continue
            if name not in known:
                raise _unknown(name, known, by_form=request.method == "POST")
            if name in seen and not known[name]:
                raise Problem(400, "field_twice", f"The parameter '{name}' was sent more than once.", field=name)
            seen.add(name)


def _says(handler: BaseRouteHandler, opt: Mapping[str, Any]) -> bool:
    return handler.opt.items() >= opt.items()


def _known_of_all(app: Litestar) -> dict[tuple[str, str], Mapping[str, bool]]:
    """For each path and method, the parameters by their names, and whether each may come several times."""
    return {
        (route.path_format, method): {
            parameter.field_alias: parameter.is_sequence for parameter in model.expected_query_params
        }
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (_, model) in route.route_handler_map.items()
    }


def _unknown(name: str, known: Iterable[str], *, by_form: bool) -> Problem:
    shown = name[:_SHOWN]
    if by_form and name in FIELDS:
        detail = f"'{shown}' is a field of the form, not a part of the address: with curl, -F {shown}=…"
        return Problem(400, "unknown_parameter", detail, field=shown)
    meant = nearest(name, known)
    hint = f"Did you mean '{meant}'? " if meant else ""
    others = f"There are: {', '.join(sorted(known))}." if known else "This path takes none."
    detail = f"There is no parameter '{shown}' here. {hint}{others}"
    return Problem(400, "unknown_parameter", detail, field=shown, offered=(meant,) if meant else ())
