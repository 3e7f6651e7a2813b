"""All channels in one, and none lost.

The mix is the mean of the channels. Where a channel is the reverse of the loudest, as a microphone with crossed wires
makes it, it is turned round first: as they are, the two would cancel each other. That is decided for a second at a
time, at places that depend on the recording alone.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

BLOCK = 16_384
"""Samples over which channels are compared: about a second at 16 kHz."""

_REVERSED = -0.5
"""Correlation with the loudest channel below which one counts as its reverse."""


def mixed(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """`pieces` with a row for each channel, as pieces of any length with one row."""
    for block in _blocks(pieces):
        if len(block) == 1:
            yield block
            continue
        scalars = block @ block[np.argmax(np.square(block).sum(axis=1))]
        lengths = np.sqrt(np.square(block).sum(axis=1))
        shares = np.where(scalars < _REVERSED * lengths * lengths.max(), -1.0, 1.0) / len(block)
        yield (shares.astype(np.float32) @ block).reshape(1, -1)


def _blocks(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in blocks of equal length, the last one shorter. A single channel is left as it comes."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        if len(piece) == 1:
            yield piece
            continue
        held.append(piece)
        count += piece.shape[1]
        if count < BLOCK:
            continue
        whole = np.concatenate(held, axis=1)
        full = count - count % BLOCK
        yield from np.split(whole[:, :full], full // BLOCK, axis=1)
        held, count = [whole[:, full:]], count - full
    if count:
        yield np.concatenate(held, axis=1)
