"""The address of a gateway, as people write it."""

import httpx

_MOST_PORT = 65_535


def gateway_url(url: str) -> httpx.URL:
    """The address. Raises `ValueError` for what is none, before anything is asked of it."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL()
    has_port = found.port is None or 0 < found.port <= _MOST_PORT
    if found.scheme not in ("http", "https") or not found.host or not has_port:
        raise ValueError(f"{url!r} is no address of a gateway; it looks like http://host:8000")
    return found
