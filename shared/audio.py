"""Recordings, whatever their container: what a file holds (`probe`), and its sound at 16 kHz, mono (`decode_windows`).

Bytes decide, never names or declared types. A file is opened as a local file with a short list of formats, so that a
playlist sent as audio cannot make us read other files or addresses. Headers are not believed: length is what decodes.
Nothing is printed, and no error message names a path or a library; a message says what a person can do.

PyAV is imported on first use and numpy only where samples are made: the gateway needs neither until it probes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared.errors import Permanent

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""What recognisers take, in Hz."""

SHORTEST_SECONDS = 0.03
"""Less sound than this is no recording: no word fits in it, and models fail on it."""

FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpc,mpc8,mpeg,mpegts,ogg,rm,tta,voc,w64,wav,wv"
)
"""The containers that are opened. No playlists, image sequences, scripts or subtitles."""

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}

_STARTS = (b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3", b"#!AMR", b"FORM", b"caff")
"""How recordings begin: tells one that stopped at once from something else."""

_TINY_BYTES = 256

_MOST_FAILURES = 100
"""So often in a row reading may fail before the rest of the file is given up."""

_LOUDEST = 8.0
"""Mixing channels may exceed 1 a little; what exceeds this is no sound."""

_PRIMING_SECONDS = 0.15
"""Encoders count their lead-in and padding, which decoders drop: so much may be missing from a sound file."""

_ACCEPTED = "Send a recording such as WAV, MP3, M4A, FLAC, OGG or WebM, or a video with sound."


class AudioInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is. `duration` is what its header claims in seconds, None when it claims nothing: the true
    length is known only after decoding."""

    container: str
    codec: str
    channels: int
    sample_rate: int
    duration: float | None


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A whole recording: mono float32 samples, about -1 to 1. `damaged` when some of the file could not be decoded."""

    samples: Samples
    sample_rate: int
    damaged: bool


def probe(path: Path) -> AudioInfo:
    """What the recording at `path` is; it decodes up to the first 30 ms of sound.

    Raises `Permanent` with code `empty_file`, `unsupported_media`, `no_audio_stream` or `empty_audio`."""
    with _opened(path) as (container, stream):
        frames = _Frames(container, stream)
        heard = 0.0
        for frame in frames:
            heard += frame.samples / frame.sample_rate
            if heard >= SHORTEST_SECONDS:
                return _info(path, container, stream)
        raise frames.nothing()


def decode(path: Path, *, sample_rate: int = SAMPLE_RATE) -> Decoded:
    """The whole recording at once. For long ones take `decode_windows`. Raises as `probe` does."""
    import numpy as np

    windows = decode_windows(path, 60.0, sample_rate=sample_rate)
    samples = np.concatenate(list(windows))
    return Decoded(samples=samples, sample_rate=sample_rate, damaged=windows.damaged)


def decode_windows(path: Path, window_seconds: float, *, sample_rate: int = SAMPLE_RATE) -> Windows:
    """The recording in windows of `window_seconds` (the last is shorter), decoded as they are asked for.

    Memory does not grow with the length of the recording, and the samples do not depend on the size of the windows."""
    return Windows(path, int(window_seconds * sample_rate), sample_rate)


class Windows(Iterator["Samples"]):
    """An iterator of mono float32 arrays. Damaged stretches are skipped. The first step raises as `probe` does."""

    def __init__(self, path: Path, size: int, sample_rate: int) -> None:
        self.damaged = False
        """Whether anything of the file could not be decoded; final when the iteration has ended."""
        self.seconds = 0.0
        """How much has been decoded so far."""
        self.claimed: float | None = None
        """The length that the header tells, as in `AudioInfo.duration`; known with the first window."""
        self._sample_rate = sample_rate
        self._steps = self._decode(path, size)

    def __next__(self) -> Samples:
        return next(self._steps)

    def _decode(self, path: Path, size: int) -> Generator[Samples, None, None]:
        import numpy as np

        with _opened(path) as (container, stream):
            frames = _Frames(container, stream)
            self.claimed = _info(path, container, stream).duration
            pieces: list[Samples] = []
            held = 0
            for piece in _mono(frames, self._sample_rate):
                pieces.append(piece)
                held += len(piece)
                self.seconds += len(piece) / self._sample_rate
                while held >= size:
                    joined = np.concatenate(pieces)
                    yield joined[:size]
                    pieces = [joined[size:]]
                    held -= size
            if self.seconds < SHORTEST_SECONDS:
                raise frames.nothing()
            self.damaged = frames.damaged or _falls_short(self.seconds, path, container, stream)
            if held:
                yield np.concatenate(pieces)


class _Frames(Iterator["AudioFrame"]):
    """The frames of a stream. What cannot be decoded is skipped and counted."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self.damaged = False
        self._failures = 0
        self._container = container
        self._stream = stream
        self._frames = self._decode()

    def __next__(self) -> AudioFrame:
        return next(self._frames)

    def nothing(self) -> Permanent:
        """The error for a stream that has brought no sound."""
        if self.damaged:
            return Permanent("unsupported_media", f"The sound in this file cannot be decoded. {_ACCEPTED}")
        return Permanent("empty_audio", "The recording holds no sound. Check the recorder and send it again.")

    def _decode(self) -> Generator[AudioFrame, None, None]:
        from av.error import FFmpegError

        for packet in self._packets():
            try:
                frames = packet.decode()
            except FFmpegError:
                self.damaged = True
                continue
            self._failures = 0
            for frame in frames:
                if frame.samples and frame.sample_rate:
                    yield frame

    def _packets(self) -> Generator[Packet[AudioStream], None, None]:
        """Reading goes on behind a damaged stretch; a file that brings nothing but errors ends."""
        from av.error import FFmpegError

        while self._failures < _MOST_FAILURES:
            try:
                yield from self._container.demux(self._stream)
                return
            except FFmpegError:
                self.damaged = True
                self._failures += 1


def _mono(frames: Iterator[AudioFrame], sample_rate: int) -> Iterator[Samples]:
    """`frames` mixed to one channel at `sample_rate`. A stream may change its rate or its channels on the way."""
    import av

    resampler: av.AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for frame in frames:
        if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if resampler is not None:
                yield from _arrays(resampler.resample(None))
            resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
        assert resampler is not None
        frame.pts = None
        yield from _arrays(resampler.resample(frame))
    if resampler is not None:
        yield from _arrays(resampler.resample(None))


def _arrays(frames: list[AudioFrame]) -> Iterator[Samples]:
    import numpy as np

    for frame in frames:
        samples = np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1)
        # Float files may hold anything; one sample that is not a number would silence all that follows it.
        yield np.clip(np.nan_to_num(samples), -_LOUDEST, _LOUDEST)


@contextmanager
def _opened(path: Path) -> Generator[tuple[InputContainer, AudioStream], None, None]:
    """The container and the audio stream to listen to. Cover pictures and video are other streams, left alone."""
    import av
    from av.error import FFmpegError

    size = path.stat().st_size
    if size == 0:
        raise Permanent(
            "empty_file", "The file is empty (0 bytes). Check the recorder or the upload and send it again."
        )
    try:
        container = av.open(f"file:{path}", metadata_errors="ignore", options=_OPTIONS)
    except FFmpegError as error:
        raise _unreadable(path, size) from error
    with container:
        if not container.streams.audio:
            raise _without_sound(container)
        best = container.streams.best("audio")
        yield container, next((s for s in container.streams.audio if s is best), container.streams.audio[0])


def _without_sound(container: InputContainer) -> Permanent:
    if container.streams.video:
        return Permanent("no_audio_stream", "The video has no sound. Send a file with an audio track.")
    return Permanent("unsupported_media", f"The file is not an audio or video file that can be read. {_ACCEPTED}")


def _unreadable(path: Path, size: int) -> Permanent:
    """The error for a file that no format fits."""
    with path.open("rb") as file:
        head = file.read(12)
    if size < _TINY_BYTES and head.startswith(_STARTS):
        return Permanent("empty_audio", "The recording stops before any sound. Check the recorder and send it again.")
    if head[4:8] == b"ftyp":
        return Permanent(
            "unsupported_media",
            "The file is not complete: its recorder was stopped before it could finish it. Export it again.",
        )
    return Permanent("unsupported_media", f"The file is not an audio or video file that can be read. {_ACCEPTED}")


def _claimed(container: InputContainer, stream: AudioStream) -> float | None:
    """What the header says about the length of the sound, in seconds. A video may be longer than its sound."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None or container.streams.video:
        return None
    return (container.duration - max(container.start_time or 0, 0)) / 1e6


def _info(path: Path, container: InputContainer, stream: AudioStream) -> AudioInfo:
    codec = stream.codec_context
    duration = _claimed(container, stream)
    if duration is not None and codec.bit_rate and codec.name.startswith("pcm_"):
        # Recorders that stream leave nonsense in the header. Here the bytes that are there tell the length.
        duration = min(duration, path.stat().st_size * 8 / codec.bit_rate)
    return AudioInfo(
        container=container.format.name.partition(",")[0],
        codec=codec.name,
        channels=codec.channels,
        sample_rate=codec.sample_rate,
        duration=duration,
    )


def _falls_short(seconds: float, path: Path, container: InputContainer, stream: AudioStream) -> bool:
    """Whether the file ends clearly before its header says, as an upload or a recorder that was cut off does."""
    claimed = _claimed(container, stream)
    if claimed is None:
        return False
    # Without a header the claim is a guess, size by bit rate: it tells nothing about what is missing.
    guess = path.stat().st_size * 8 / (stream.codec_context.bit_rate or 1)
    if abs(claimed / guess - 1) < 0.02:
        return False
    return seconds < claimed * 0.998 - _PRIMING_SECONDS
