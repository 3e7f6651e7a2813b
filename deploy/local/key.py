"""`voxmesh key NAME`: a new API key."""

import sys

from shared.apikeys import entry_of, make


def make_key(name: str) -> int:
    """Print a new key, which is kept nowhere, to standard error, and to standard output the line that lets it in: what
    goes into a file or a Secret is the line alone."""
    key = make()
    entry = entry_of(name, key)
    print(f"The key of {name}. It is not kept anywhere and not shown again:\n{key}", file=sys.stderr)
    print(
        "For the gateway, in API_KEYS (separated by commas) or on a line of API_KEYS_FILE:", file=sys.stderr, flush=True
    )
    print(entry, flush=True)
    return 0
