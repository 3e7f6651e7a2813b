"""`voxmesh key NAME`: a new API key."""

import sys

from shared.apikeys import entry_of, make


def make_key(name: str) -> int:
    """Print a new key, which is kept nowhere, and the line that lets it in; what explains them goes to stderr."""
    key = make()
    entry = entry_of(name, key)
    print(f"The key of {name}. It is not kept anywhere and not shown again:", file=sys.stderr)
    print(key, flush=True)
    print("For the gateway, in API_KEYS (separated by commas) or on a line of API_KEYS_FILE:", file=sys.stderr)
    print(entry)
    return 0
