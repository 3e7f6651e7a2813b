"""Packets and frames of a source. What is damaged is skipped and noted; the rest is read on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

from av.audio.frame import AudioFrame
from av.error import FFmpegError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet

    from shared.audio._source import Source

_MOST_FAILURES = 100
"""So often in a row reading may fail before the rest of the file is given up."""

_LONGEST_STEP = 2
"""From one packet to the next may pass this many times its length: more is a gap, which holds no sound."""


class Frames(Iterator[AudioFrame]):
    """The frames of a source, decoded as they are asked for."""

    def __init__(self, source: Source) -> None:
        self.damaged = False
        """Whether anything so far could not be read or decoded."""
        self._failures = 0
        self._length = _Length(source)
        self._packets = self._demuxed(source)
        self._frames = self._decoded()

    def __next__(self) -> AudioFrame:
        return next(self._frames)

    def measure(self, *, at_most: float) -> float:
        """Seconds of sound from the start to the end, or a little over `at_most`. Nothing more is decoded."""
        while self._length.seconds <= at_most and next(self._packets, None) is not None:
            pass
        return self._length.seconds

    def _decoded(self) -> Generator[AudioFrame]:
        for packet in self._packets:
            try:
                frames = packet.decode()
            except FFmpegError:
                self.damaged = True
                continue
            self._failures = 0
            for frame in frames:
                if frame.samples and frame.sample_rate:
                    yield frame

    def _demuxed(self, source: Source) -> Generator[Packet[AudioStream]]:
        """Reading goes on behind a damaged stretch; a file that brings nothing but errors ends."""
        while self._failures < _MOST_FAILURES:
            try:
                # PyAV frees what this generator reads with only when it is closed: dropped halfway, it leaks.
                reading = cast("Generator[Packet[AudioStream]]", source.container.demux(source.stream))
                with closing(reading) as packets:
                    for packet in packets:
                        self._length.add(packet)
                        yield packet
            except FFmpegError:
                self.damaged = True
                self._failures += 1
            else:
                return


class _Length:
    """How much sound packets hold. Times of containers are rounded, and lie; lengths of packets are rounded, too."""

    def __init__(self, source: Source) -> None:
        self._base = source.stream.time_base or 0
        self._ticks = 0
        self._last: tuple[int | None, int] = (None, 0)

    @property
    def seconds(self) -> float:
        return float((self._ticks + self._last[1]) * self._base)

    def add(self, packet: Packet[AudioStream]) -> None:
        """Count the packet before, now that it is known how long it takes to this one."""
        if not packet.size:
            return
        time, duration = self._last
        if packet.pts is not None and time is not None and 0 < packet.pts - time <= _LONGEST_STEP * duration:
            duration = packet.pts - time
        self._ticks += duration
        self._last = (packet.pts, packet.duration or duration)
