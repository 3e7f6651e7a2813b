"""Chooses the few sentences that stand for all the others."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

STRETCH = 1000
"""Sentences compared with each other at a time: bounds memory at 4 MB, and lets every hour of speech have its say."""


def representatives(vectors: NDArray[np.float32], words: Sequence[int], count: int) -> list[int]:
    """Indices, rising, of at least `count` rows (normalised) that cover the rest best, by facility location.

    Each choice is the sentence that adds most to how well every sentence is represented by the one chosen that is
    most like it, longer sentences weighing more. So a repeated remark is taken once, and a fact that is said once,
    late, has its chance.
    """
    stretches = -(-len(vectors) // STRETCH)
    bounds = [len(vectors) * number // stretches for number in range(stretches + 1)]
    chosen: list[int] = []
    for start, end in pairwise(bounds):
        weights = np.sqrt(np.asarray(words[start:end], dtype=np.float32))
        share = max(1, round(count / stretches))
        chosen += [start + each for each in _cover(vectors[start:end], weights, share)]
    return chosen


def _cover(vectors: NDArray[np.float32], weights: NDArray[np.float32], count: int) -> list[int]:
    likeness = np.maximum(vectors @ vectors.T, 0.0)
    covered = np.zeros(len(vectors), dtype=np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(vectors))):
        gain = weights @ np.maximum(likeness - covered[:, None], 0.0)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        covered = np.maximum(covered, likeness[best])
    return sorted(chosen)
