"""What has been computed lately, for as much as there is room for."""

import sys

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Group = tuple[str, ...]


class Memory:
    """The vectors of groups of texts. Of all that it is given it keeps what was used last, as much as fits into
    `most_bytes`, the texts included; a group that does not fit at all is not kept."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._groups: dict[Group, Vectors] = {}

    def recall(self, group: Group) -> Vectors | None:
        """The vectors of `group`, if they are still there."""
        vectors = self._groups.pop(group, None)
        if vectors is not None:
            self._groups[group] = vectors
        return vectors

    def keep(self, group: Group, vectors: Vectors) -> None:
        """Keep what is not there yet; `vectors` must be an array of its own, not a view of a larger one."""
        size = _size(group, vectors)
        if size > self.most_bytes:
            return
        while self.held_bytes + size > self.most_bytes:
            oldest = next(iter(self._groups))
            self.held_bytes -= _size(oldest, self._groups.pop(oldest))
        self._groups[group] = vectors
        self.held_bytes += size


def _size(group: Group, vectors: Vectors) -> int:
    return sys.getsizeof(vectors) + sys.getsizeof(group) + sum(map(sys.getsizeof, group))
