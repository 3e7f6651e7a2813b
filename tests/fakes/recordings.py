"""Recordings that tests make themselves, in the formats that people send."""

import io
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.audio import decode
from tests.mesh import ROOT

Sound = NDArray[np.float32]

RATE = 16_000
SECONDS = 6.0
_TIME = np.arange(int(SECONDS * RATE)) / RATE
TONE = (0.4 * np.sin(2 * np.pi * 220 * _TIME) * (0.6 + 0.4 * np.sin(2 * np.pi * _TIME))).astype(np.float32)
"""Six seconds of a swelling 220 Hz."""


def speech(seconds: float, *, begin: float = 0.0) -> Sound:
    """The sample that comes with the project, again and again for so long, begun at a fraction of it."""
    samples = decode(ROOT / "deploy" / "local" / "sample.ogg").samples
    return np.resize(np.roll(samples, -round(begin * len(samples))), round(seconds * RATE))


def wav_of(samples: Sound) -> bytes:
    """A WAV file, mono, 16 bits, at 16 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return buffer.getvalue()


def write(
    path: Path,
    codec: str,
    *,
    rate: int = 48_000,
    layout: str = "mono",
    options: dict[str, str] | None = None,
    samples: Sound = TONE,
) -> Path:
    """`samples`, mono at 16 kHz, in `codec`, in the container that the ending of `path` says."""
    container: Any = av.open(path, "w", options=options)
    with container:
        _add_sound(container, samples, codec, rate, layout)
    return path


def write_video(path: Path, *, sound: bool) -> Path:
    """Three seconds of pictures, with or without `TONE`."""
    container: Any = av.open(path, "w")
    with container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        if sound:
            _add_sound(container, TONE, "aac", 48_000, "mono")
        for brightness in range(30):
            picture = np.full((64, 64, 3), brightness, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
    return path


def _add_sound(container: Any, samples: Sound, codec: str, rate: int, layout: str) -> None:
    stream = container.add_stream(codec, rate=rate, layout=layout)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = RATE
    frame.pts = 0
    resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(stream.encode(part))


def write_wave(path: Path, samples: np.ndarray[Any, Any], *, rate: int = RATE) -> Path:
    """16-bit samples; one column per channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1] if samples.ndim == 2 else 1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    """Exactly `content`."""
    path.write_bytes(content)
    return path
