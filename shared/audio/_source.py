"""A file as a source of sound: opened safely, described, or refused with what a person can do about it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared.errors import Permanent

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

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

_PRIMING_SECONDS = 0.15
"""Encoders count their lead-in and padding, which decoders drop: so much may be missing from a sound file …"""
_LOSSLESS = ("flac", "alac", "wavpack", "tta", "ape")
"""… but not from one of these, of which each sample is counted: there a lost frame shows."""

_ACCEPTED = "Send a recording such as WAV, MP3, M4A, FLAC, OGG, WebM or AMR, or a video with sound."


class AudioInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is. `duration` is how many seconds of sound the file holds, whatever its header claims."""

    container: str
    codec: str
    channels: int
    sample_rate: int
    duration: float


class Source:
    """A container that is open, and its audio stream to listen to."""

    def __init__(self, path: Path, container: InputContainer, stream: AudioStream) -> None:
        self.container = container
        self.stream = stream
        self._bytes = path.stat().st_size

    @property
    def claimed(self) -> float | None:
        """The length of the sound by the header, in seconds; None when it claims nothing. A video may be longer."""
        claim = self._claim()
        at_most = self._pcm_seconds
        # Recorders that stream leave nonsense in the header. Of plain samples, the bytes that are there tell it.
        return claim if claim is None or at_most is None else min(claim, at_most)

    @property
    def exact(self) -> float | None:
        """The length in seconds where it follows from the header and the size of the file alone, else None."""
        return self.claimed if self._pcm_seconds is not None and not self.container.streams.video else None

    def info(self, duration: float) -> AudioInfo:
        """The description of a recording that holds `duration` seconds."""
        codec = self.stream.codec_context
        return AudioInfo(
            container=self.container.format.name.partition(",")[0],
            codec=codec.name,
            channels=codec.channels,
            sample_rate=codec.sample_rate,
            duration=duration,
        )

    def falls_short(self, seconds: float) -> bool:
        """Whether the file ends clearly before its header says, as an upload or a recorder that was cut off does."""
        claim = self._claim()
        if claim is None:
            return False
        # Without a header the claim is a guess, size by bit rate: it tells nothing about what is missing.
        guess = self._bytes * 8 / (self.stream.codec_context.bit_rate or 1)
        if abs(claim / guess - 1) < 0.02:
            return False
        if self.stream.codec_context.name in _LOSSLESS:
            return seconds < claim - 0.01
        return seconds < claim * 0.998 - _PRIMING_SECONDS

    @property
    def _pcm_seconds(self) -> float | None:
        codec = self.stream.codec_context
        return self._bytes * 8 / codec.bit_rate if codec.bit_rate and codec.name.startswith("pcm_") else None

    def _claim(self) -> float | None:
        stream, container = self.stream, self.container
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if container.duration is None or container.streams.video:
            return None
        return (container.duration - max(container.start_time or 0, 0)) / 1e6


@contextmanager
def opened(path: Path) -> Generator[Source]:
    """The recording at `path`. Cover pictures and video are other streams, left alone.

    Raises `Permanent` with code `empty_audio`, `unsupported_media`, `unreadable_media` or `no_audio_stream`."""
    import av
    from av.error import FFmpegError

    size = path.stat().st_size
    if size == 0:
        raise Permanent(
            "empty_audio", "The file is empty (0 bytes). Check the recorder or the upload and send it again."
        )
    try:
        container = av.open(f"file:{path}", metadata_errors="ignore", options=_OPTIONS)
    except FFmpegError as error:
        raise _unreadable(path, size) from error
    with container:
        if not container.streams.audio:
            raise _without_sound(container)
        best = container.streams.best("audio")
        stream = next((s for s in container.streams.audio if s is best), container.streams.audio[0])
        yield Source(path, container, stream)


def without_samples(*, damaged: bool) -> Permanent:
    """The error for a stream that has brought no sound."""
    if damaged:
        return Permanent("damaged", "The file is damaged: none of its sound can be decoded. Send the original again.")
    return Permanent("empty_audio", "The recording holds no sound. Check the recorder and send it again.")


def too_long(seconds: float, limit: float) -> Permanent:
    """The error for a recording that holds `seconds` of sound, or more, where `limit` are taken."""
    return Permanent("too_long", f"The recording is {_spoken(seconds)} long. At most {_spoken(limit)} are taken.")


def _spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


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
            "unreadable_media",
            "The file is not complete: its recorder was stopped before it could finish it. Export it again.",
        )
    return Permanent("unsupported_media", f"The file is not an audio or video file that can be read. {_ACCEPTED}")
