"""Channels that say the same. Pure: numbers in, numbers out.

Many recorders write one voice to two channels, and telephones let each side hear itself a little in the other channel.
Transcribed for itself, each such channel would say everything again.
"""

import numpy as np

from services.asr._clips import FRAME, Samples

BLOCK = 32 * FRAME
"""Samples over which channels are compared: about a second."""

_ALIKE = 0.94
"""Square of the correlation above which two channels hold the same sound, however loud each of them is."""
_LOUDER = 2.0
"""A copy with this many times the power is the original. Below that the first channel counts as it."""


def without_copies(samples: Samples) -> Samples:
    """`samples`, a row for each channel and whole blocks but for the last, with copies silenced. One row stays."""
    kept = samples.copy()
    for start in range(0, samples.shape[1], BLOCK):
        block = samples[:, start : start + BLOCK]
        for channel in set(range(len(block))) - set(_originals(block)):
            kept[channel, start : start + BLOCK] = 0.0
    return kept


def _originals(block: Samples) -> list[int]:
    """The channels that are no copies of others."""
    products = block.astype(np.float64) @ block.T
    powers = products.diagonal()
    alike = np.square(products) > _ALIKE * np.outer(powers, powers)
    originals: list[int] = []
    for channel in range(len(block)):
        twin = next((place for place, original in enumerate(originals) if alike[channel, original]), None)
        if twin is None:
            originals.append(channel)
        elif powers[channel] > _LOUDER * powers[originals[twin]]:
            originals[twin] = channel
    return originals
