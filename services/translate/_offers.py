"""What is on offer, in few words: a model of 200 languages translates 40,000 pairs."""

from collections.abc import Collection
from typing import Any

from services.translate.protocol import Pair


def offers(pairs: Collection[Pair]) -> list[dict[str, Any]]:
    """Groups of `sources` and `targets`: each source of a group is translated to each of its targets but itself."""
    targets: dict[str, set[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, {source}).add(target)
    groups: dict[tuple[str, ...], list[str]] = {}
    for source in sorted(targets):
        groups.setdefault(tuple(sorted(targets[source])), []).append(source)
    return [{"sources": sources, "targets": list(group)} for group, sources in groups.items()]
