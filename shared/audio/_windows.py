"""The sound of a recording in windows, at one rate, its channels mixed or each for itself."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shared.audio._source import SAMPLE_RATE, SHORTEST_SECONDS, opened, too_long, without_samples

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_LOUDEST = 8.0
"""Mixing channels may exceed 1 a little; what exceeds this is no sound."""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A whole recording: mono float32 samples, about -1 to 1. `damaged` when some of the file could not be decoded."""

    samples: Samples
    sample_rate: int
    damaged: bool


def decode(path: Path, *, sample_rate: int = SAMPLE_RATE) -> Decoded:
    """The whole recording at once, mixed. For long ones take `decode_windows`. Raises as that does."""
    import numpy as np

    windows = decode_windows(path, 60.0, sample_rate=sample_rate)
    samples = np.concatenate(list(windows), axis=1)[0]
    return Decoded(samples=samples, sample_rate=sample_rate, damaged=windows.damaged)


def decode_windows(
    path: Path,
    window_seconds: float,
    *,
    separate: bool = False,
    longest: float = float("inf"),
    sample_rate: int = SAMPLE_RATE,
) -> Windows:
    """The recording in windows of `window_seconds` (the last is shorter), decoded as they are asked for.

    Channels are mixed, or stay `separate`. Memory does not grow with the length of the recording, and the samples do
    not depend on the size of the windows. More than `longest` seconds raise `Permanent` (`too_long`) once they are
    reached."""
    size = int(window_seconds * sample_rate)
    return Windows(path, size, sample_rate, separate=separate, longest=longest)


class Windows(Iterator["Samples"]):
    """An iterator of float32 arrays with one row for the mix, or for each channel. Damaged stretches are skipped.

    The first step raises as `probe` does."""

    def __init__(self, path: Path, size: int, sample_rate: int, *, separate: bool, longest: float) -> None:
        self.damaged = False
        """Whether anything of the file could not be decoded; final when the iteration has ended."""
        self.seconds = 0.0
        """How much has been decoded so far."""
        self.claimed: float | None = None
        """The length that the header tells, in seconds, None when it tells nothing; known with the first window."""
        self._sample_rate = sample_rate
        self._separate = separate
        self._longest = longest
        self._steps = self._decode(path, size)

    def __next__(self) -> Samples:
        return next(self._steps)

    def _decode(self, path: Path, size: int) -> Generator[Samples]:
        import numpy as np

        from shared.audio._frames import Frames

        with opened(path) as source:
            frames = Frames(source)
            self.claimed = source.claimed
            pieces: list[Samples] = []
            held = 0
            for piece in self._pieces(frames):
                pieces.append(piece)
                held += piece.shape[1]
                while held >= size:
                    joined = np.concatenate(pieces, axis=1)
                    yield joined[:, :size]
                    pieces = [joined[:, size:]]
                    held -= size
            if self.seconds < SHORTEST_SECONDS:
                raise without_samples(damaged=frames.damaged)
            self.damaged = frames.damaged or source.falls_short(self.seconds)
            if held:
                yield np.concatenate(pieces, axis=1)

    def _pieces(self, frames: Iterator[AudioFrame]) -> Iterator[Samples]:
        from shared.audio._mix import mixed

        channels = self._counted(_resampled(frames, self._sample_rate))
        return channels if self._separate else mixed(channels)

    def _counted(self, pieces: Iterator[Samples]) -> Iterator[Samples]:
        for piece in pieces:
            self.seconds += piece.shape[1] / self._sample_rate
            if self.seconds > self._longest:
                raise too_long(self.seconds, self._longest)
            yield piece


def _resampled(frames: Iterator[AudioFrame], sample_rate: int) -> Iterator[Samples]:
    """The channels of `frames` at `sample_rate`. A stream may change its rate on the way; one that changes its channels
    keeps those that it began with."""
    import av

    resampler: av.AudioResampler | None = None
    layout: av.AudioLayout | None = None
    shape: tuple[str, str, int] | None = None
    for frame in frames:
        layout = layout or frame.layout
        if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if resampler is not None:
                yield from _arrays(resampler.resample(None))
            resampler = av.AudioResampler(format="flt", layout=layout, rate=sample_rate)
        assert resampler is not None
        frame.pts = None
        yield from _arrays(resampler.resample(frame))
    if resampler is not None:
        yield from _arrays(resampler.resample(None))


def _arrays(frames: list[AudioFrame]) -> Iterator[Samples]:
    import numpy as np

    for frame in frames:
        # Packed: PyAV reads the planes of more than eight channels from the wrong places.
        samples: Any = np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1, frame.layout.nb_channels).T
        # Float files may hold anything; one sample that is not a number would silence all that follows it.
        yield np.clip(np.nan_to_num(samples), -_LOUDEST, _LOUDEST)
