"""What `/schema` says about keys and links where keys are asked for: which operation takes what, and how it refuses.

It is derived from what each handler says to the guard, so that the document cannot differ from what happens.
"""

from typing import Any

from litestar import Litestar

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, as `Authorization: Bearer …`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    "link": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "What a task's links carry in place of a key, for a browser's EventSource. For one task and for "
        "some minutes; for several tasks, give it as often.",
    },
}
_REFUSALS = {
    "401": "No key was given, or the time of the link is over.",
    "403": "The key is unknown, or the link is not one of ours.",
    "429": "A limit of this key is reached; `Retry-After` says when to come back.",
}


_BEFORE_COUNTING = ("401", "403")
_COUNTED = {
    "RateLimit-Policy": {"description": "How many requests fit into how many seconds.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "How many are left, and in how many seconds all are there again. Both are absent where "
        "there is no limit.",
        "schema": {"type": "string"},
    },
}


def secure(document: dict[str, Any], app: Litestar) -> None:
    """Say in `document` that keys are asked for."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for operation, door in _operations(app, document):
        if door == "open":
            continue
        names = ["bearer", "key", "link"] if door == "link" else ["bearer", "key"]
        operation["security"] = [{name: []} for name in names]
        operation["responses"] |= {status: {"description": text} for status, text in _REFUSALS.items()}


def tell_limits(document: dict[str, Any], app: Litestar) -> None:
    """Say in `document`, whose answers are whole, which of them tell how many requests are left."""
    for operation, door in _operations(app, document):
        if door == "open":
            continue
        for status, response in operation["responses"].items():
            if status not in _BEFORE_COUNTING:
                response["headers"] = response.get("headers", {}) | _COUNTED


def _operations(app: Litestar, document: dict[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
    """Each operation of the document, and what its handler says to the guard."""
    return [
        (document["paths"][route.path_format][method.lower()], handler.opt.get("access"))
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.resolve_include_in_schema()
        for method in handler.http_methods
    ]
