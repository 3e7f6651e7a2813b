"""OPTIONS: which methods a path takes. Litestar's own answer forgets those that were registered after the first."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, route
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from services.gateway.access import OPEN
from services.gateway.head import with_head

_TYPE = re.compile(r":\w+(?=})")


def options_for(handlers: Sequence[HTTPRouteHandler]) -> BaseRouteHandler:
    """A handler of OPTIONS on all paths of `handlers`."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(_TYPE.sub("", path), {"OPTIONS"}).update(with_head(handler.http_methods))

    paths = {path for handler in handlers for path in handler.paths}

    @route(sorted(paths), http_method="OPTIONS", status_code=204, include_in_schema=False, opt=dict(OPEN))
    async def options(request: Request[Any, Any, Any]) -> Response[None]:
        allowed = methods[request.scope["path_template"]]
        return Response(None, headers={"Allow": ", ".join(sorted(allowed))})

    return options
