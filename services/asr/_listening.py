"""A recording as the stage hears it: decoded, and searched for speech, a piece ahead of what is transcribed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
import numpy as np

from services.asr._clips import FRAME, Samples
from services.asr._copies import without_copies
from services.asr.protocol import Engine
from shared.audio import SAMPLE_RATE, Windows
from shared.stage import Work

WINDOW_SECONDS = 384 * FRAME / SAMPLE_RATE
"""Sound that is decoded at a time: about 12 s."""
_FIRST_WINDOWS, _MOST_WINDOWS = 2, 4
"""So many windows are listened to at once: few at first, and never so few that a busy engine is asked all the time."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some whole frames: `samples` has a row for each channel, and `speech` the probability of each of its frames.
    `until` is how long the recording is so far, in seconds; `short` tells that there is no more of it than this."""

    samples: Samples
    speech: Sequence[Sequence[float]]
    until: float
    short: bool


async def heard(work: Work, engine: Engine, windows: Windows) -> AsyncGenerator[Piece]:
    """The recording piece by piece. The next one is made while the caller has the last: on a processor that takes what
    the models leave idle, and a task that comes new does not wait for a batch of others to learn where its speech is.
    """
    async with aclosing(_pieces(work, engine, windows)) as pieces:
        coming = asyncio.create_task(_next(pieces))
        try:
            while (piece := await coming) is not None:
                coming = asyncio.create_task(_next(pieces))
                yield piece
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(pieces: AsyncGenerator[Piece]) -> Piece | None:
    return await anext(pieces, None)


async def _pieces(work: Work, engine: Engine, windows: Windows) -> AsyncGenerator[Piece]:
    listen = work.compute if engine.listens_on_device else asyncio.to_thread
    memories: dict[int, object | None] = {}
    count = _FIRST_WINDOWS
    while (samples := await asyncio.to_thread(_read, windows, count)) is not None:
        short = not memories and samples.shape[1] < count * WINDOW_SECONDS * SAMPLE_RATE
        until = windows.seconds
        if len(samples) > 1:
            samples = await asyncio.to_thread(without_copies, samples)
        speech: list[Sequence[float]] = []
        for channel, own in enumerate(samples):
            probabilities, memories[channel] = await listen(engine.listen, own, memories.get(channel))
            speech.append(probabilities)
        yield Piece(samples=samples, speech=speech, until=until, short=short)
        count = _MOST_WINDOWS


def _read(windows: Windows, count: int) -> Samples | None:
    """Up to `count` windows as whole frames, the last filled up with silence; None at the end of the recording."""
    taken = [window for _, window in zip(range(count), windows)]  # noqa: B905 - whichever ends first
    if not taken:
        return None
    samples = np.concatenate(taken, axis=1)
    return np.pad(samples, ((0, 0), (0, -samples.shape[1] % FRAME)))
