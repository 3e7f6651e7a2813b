"""Recordings, whatever their container: what a file holds (`probe`), and its sound at 16 kHz (`decode_windows`).

Bytes decide, never names or declared types. A file is opened as a local file with a short list of formats, so that a
playlist sent as audio cannot make us read other files or addresses. Headers are not believed: length is what is there.
Nothing is printed, and no error message names a path or a library; a message says what a person can do.

PyAV is imported on first use and numpy only where samples are made: the gateway needs neither until it probes.
"""

from shared.audio._probe import probe
from shared.audio._source import FORMATS, SAMPLE_RATE, AudioInfo
from shared.audio._windows import Decoded, Windows, decode, decode_windows

__all__ = ["FORMATS", "SAMPLE_RATE", "AudioInfo", "Decoded", "Windows", "decode", "decode_windows", "probe"]
