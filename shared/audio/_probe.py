"""What a recording is, found out without decoding it."""

from pathlib import Path

from shared.audio._source import SHORTEST_SECONDS, AudioInfo, opened, too_long, without_samples

_LOOK_ON = 4
"""So many times the limit is counted of what is longer than its header says, to tell how long it is."""


def probe(path: Path, *, longest: float = float("inf")) -> AudioInfo:
    """What the recording at `path` is. Decodes up to the first 30 ms of sound; the rest is counted in packets, which
    takes about a second of computing for an hour, and no memory.

    Raises `Permanent` with code `empty_audio`, `unsupported_media`, `unreadable_media`, `no_audio_stream` or `damaged`,
    and `too_long` for more than `longest` seconds."""
    with opened(path) as source:
        from shared.audio._frames import Frames

        frames = Frames(source)
        heard = 0.0
        while heard < SHORTEST_SECONDS:
            frame = next(frames, None)
            if frame is None:
                raise without_samples(damaged=frames.damaged)
            heard += frame.samples / frame.sample_rate
        claimed = source.claimed or 0.0
        seconds = source.exact or frames.measure(at_most=longest if claimed > longest else longest * _LOOK_ON)
        if seconds > longest:
            raise too_long(max(seconds, claimed), longest)
        return source.info(round(max(seconds, heard), 3))
