"""What is sent as a recording: every kind that people send, and what is none."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared.audio import AudioInfo, decode, decode_windows, probe
from shared.errors import Permanent
from tests.fakes.recordings import RATE, SECONDS, write, write_bytes, write_video, write_wave


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.mp3", "libmp3lame", 48_000, "mono"),
        ("a.opus", "libopus", 48_000, "mono"),
        ("a.webm", "libopus", 48_000, "stereo"),
        ("a.flac", "flac", 48_000, "mono"),
        ("a.m4a", "aac", 44_100, "stereo"),
        ("telephone.wav", "pcm_mulaw", 8_000, "mono"),
        ("alaw.wav", "pcm_alaw", 8_000, "mono"),
        ("studio24.wav", "pcm_s24le", 96_000, "stereo"),
        ("float.wav", "pcm_f32le", 44_100, "mono"),
        ("cinema.wav", "pcm_s16le", 48_000, "5.1"),
    ],
)
def test_formats_decode_to_the_same_sound(tmp_path: Path, name: str, codec: str, rate: int, layout: str) -> None:
    """Whatever the container and the codec, what comes out is the sound that went in, mono at 16 kHz."""
    path = write(tmp_path / name, codec, rate=rate, layout=layout)
    decoded = decode(path)
    assert probe(path).duration == pytest.approx(SECONDS, abs=0.1)
    assert len(decoded.samples) / RATE == pytest.approx(SECONDS, abs=0.1)
    assert decoded.samples.dtype == np.float32
    assert not decoded.damaged
    middle = slice(RATE, 5 * RATE)
    spectrum = np.abs(np.fft.rfft(decoded.samples[middle]))
    assert np.argmax(spectrum) / 4 == pytest.approx(220, abs=1)


def test_probe_tells_what_a_recording_is(tmp_path: Path) -> None:
    """The container, the codec, the channels and the rate are those of the file, not of its name."""
    path = write(tmp_path / "a.flac", "flac", rate=44_100, layout="stereo").rename(tmp_path / "a.mp3")
    assert probe(path) == AudioInfo(container="flac", codec="flac", channels=2, sample_rate=44_100, duration=SECONDS)


def test_a_recording_without_a_length_is_read_to_its_end(tmp_path: Path) -> None:
    """A browser's recording claims no length; its sound is complete all the same, and counted without decoding it."""
    path = write(tmp_path / "a.webm", "libopus", options={"live": "1"})
    assert probe(path).duration == pytest.approx(SECONDS, rel=0.01)
    assert decode_windows(path, 1.0).claimed is None
    assert len(decode(path).samples) / RATE == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp3", "libmp3lame", {}),
        ("a.webm", "libopus", {"live": "1"}),
        ("a.mka", "aac", {}),
        ("a.m4a", "aac", {}),
        ("a.wav", "pcm_s16le", {}),
    ],
)
def test_what_is_too_long_is_refused_by_both(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    """Neither needs a header for it, and what is just short enough is taken."""
    path = write(tmp_path / name, codec, options=options)
    assert probe(path, longest=SECONDS * 1.01).duration == pytest.approx(SECONDS, rel=0.01)
    assert len(list(decode_windows(path, 1.0, longest=SECONDS * 1.01))) in (6, 7)
    with pytest.raises(Permanent, match=r"^The recording is 6\.. seconds long\. At most 4\.0 seconds") as raised:
        probe(path, longest=4)
    assert raised.value.code == "too_long"
    windows = decode_windows(path, 1.0, longest=4)
    with pytest.raises(Permanent) as raised:
        list(windows)
    assert raised.value.code == "too_long"
    assert windows.seconds == pytest.approx(4, abs=0.2)


def test_two_recordings_in_one_file_count_both(tmp_path: Path) -> None:
    """The header of the first says nothing about the second."""
    one = write(tmp_path / "a.mp3", "libmp3lame").read_bytes()
    path = write_bytes(tmp_path / "b.mp3", one * 3)
    assert probe(path).duration == pytest.approx(len(decode(path).samples) / RATE, rel=0.01)
    assert probe(path).duration == pytest.approx(3 * SECONDS, rel=0.02)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 10_000_000])
def test_a_header_that_lies_about_its_size_is_not_believed(tmp_path: Path, size: int) -> None:
    """The length of a WAV is that of its bytes, in the probe as in the sound."""
    content = write(tmp_path / "a.wav", "pcm_s16le").read_bytes()
    at = content.index(b"data") + 4
    path = write_bytes(tmp_path / "b.wav", content[:at] + struct.pack("<I", size) + content[at + 4 :])
    assert probe(path).duration == pytest.approx(SECONDS, rel=0.01)
    decoded = decode(path)
    assert len(decoded.samples) / RATE == pytest.approx(SECONDS, rel=0.01)
    assert not decoded.damaged


@pytest.mark.parametrize("size", [3_000, 3_000_000])
def test_a_broken_cover_picture_is_ignored(tmp_path: Path, size: int) -> None:
    """A picture that is no picture, however large, does not touch the sound."""
    sound = write(tmp_path / "a.mp3", "libmp3lame").read_bytes()
    body = b"\0image/png\0\x03\0\xff\xd8\xff\xe0" + np.random.default_rng(1).bytes(size)
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path = write_bytes(tmp_path / "b.mp3", b"ID3\x03\0\0" + length + frame + sound)
    assert probe(path).codec.startswith("mp3")
    assert len(decode(path).samples) / RATE == pytest.approx(SECONDS, abs=0.05)


def test_a_video_gives_its_sound(tmp_path: Path) -> None:
    """A video with sound is as good as a recording."""
    path = write_video(tmp_path / "a.mp4", sound=True)
    assert probe(path).codec == "aac"
    assert len(decode(path).samples) / RATE == pytest.approx(SECONDS, abs=0.1)


def test_both_channels_are_heard(tmp_path: Path) -> None:
    """A call with one speaker per channel loses neither of them."""
    time = np.arange(2 * RATE) / RATE
    channels = np.stack([np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 700 * time)], axis=1) * 8000
    spectrum = np.abs(np.fft.rfft(decode(write_wave(tmp_path / "call.wav", channels)).samples))
    assert spectrum[600] == pytest.approx(spectrum[1400], rel=0.01)
    assert spectrum[600] > 100 * np.median(spectrum)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.1])
def test_a_channel_and_its_reverse_do_not_cancel(tmp_path: Path, gain: float) -> None:
    """Two microphones, one of them with crossed wires, are as loud together as the mean of both."""
    sound = np.random.default_rng(1).normal(0, 3000, 3 * RATE)
    path = write_wave(tmp_path / "crossed.wav", np.stack([gain * sound, -sound], axis=1))
    loudness = np.sqrt(np.mean(np.square(decode(path).samples)))
    assert loudness == pytest.approx(3000 / 32768 * (1 + gain) / 2, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 8, 12])
def test_channels_can_stay_separate(tmp_path: Path, count: int) -> None:
    """However many there are, each keeps its own sound, whole; and each is in the mix."""
    time = np.arange(3 * RATE) / RATE
    tones = [200 * (channel + 1) for channel in range(count)]
    channels = np.stack([np.sin(2 * np.pi * tone * time) * 8000 for tone in tones], axis=1)
    path = write_wave(tmp_path / "many.wav", channels)
    windows = list(decode_windows(path, 0.7, separate=True))
    assert {window.shape for window in windows[:-1]} == {(count, 11_200)}
    apart = np.concatenate(windows, axis=1)
    assert apart.shape == (count, 3 * RATE)
    assert [int(np.argmax(np.abs(np.fft.rfft(channel))) / 3) for channel in apart] == tones
    spectrum = np.abs(np.fft.rfft(decode(path).samples))
    assert spectrum[[3 * tone for tone in tones]].min() > 0.9 * spectrum.max()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.aac", "aac"), ("a.mp3", "libmp3lame"), ("a.webm", "libopus"), ("a.m4a", "aac")]
)
def test_a_damaged_middle_is_skipped(tmp_path: Path, name: str, codec: str) -> None:
    """Most of a file with 2 kB of noise in its middle is heard, and it is marked."""
    content = bytearray(write(tmp_path / name, codec).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(1).bytes(2000)
    decoded = decode(write_bytes(tmp_path / f"damaged-{name}", bytes(content)))
    assert decoded.damaged
    assert len(decoded.samples) / RATE > 0.6 * SECONDS


@pytest.mark.parametrize(("name", "codec"), [("a.aac", "aac"), ("a.mp3", "libmp3lame"), ("a.flac", "flac")])
def test_a_file_that_was_cut_off_is_marked(tmp_path: Path, name: str, codec: str) -> None:
    """The first 70 % of a file are heard, and it is marked."""
    content = write(tmp_path / name, codec).read_bytes()
    decoded = decode(write_bytes(tmp_path / f"cut-{name}", content[: len(content) * 7 // 10]))
    assert decoded.damaged
    assert len(decoded.samples) / RATE == pytest.approx(0.7 * SECONDS, abs=0.5)


def test_windows_are_the_recording(tmp_path: Path) -> None:
    """Windows of any size give the same samples, one after the other, all but the last of that size."""
    path = write(tmp_path / "a.mp3", "libmp3lame", rate=44_100)
    whole = decode(path).samples
    windows = list(decode_windows(path, 0.7))
    assert np.array_equal(np.concatenate(windows, axis=1)[0], whole)
    assert {window.shape for window in windows[:-1]} == {(1, 11_200)}


def test_a_stream_that_changes_its_rate_goes_on(tmp_path: Path) -> None:
    """Two recordings at different rates, one behind the other in a file, are both heard."""
    first = write(tmp_path / "a.aac", "aac", rate=48_000).read_bytes()
    second = write(tmp_path / "b.aac", "aac", rate=32_000, layout="stereo").read_bytes()
    decoded = decode(write_bytes(tmp_path / "c.aac", first + second))
    assert len(decoded.samples) / RATE == pytest.approx(2 * SECONDS, abs=0.2)


def test_samples_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    """Infinite and undefined samples of a float recording do not spread."""
    samples = np.array([0.1, np.nan, np.inf, -np.inf] * 4000, "<f4")
    header = struct.pack("<IHHIIHH", 16, 3, 1, RATE, RATE * 4, 4, 32)
    data = b"data" + struct.pack("<I", samples.nbytes) + samples.tobytes()
    content = b"RIFF" + struct.pack("<I", 28 + len(data)) + b"WAVEfmt " + header + data
    assert np.isfinite(decode(write_bytes(tmp_path / "a.wav", content)).samples).all()


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{sound}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("empty_audio", b""),
        ("unsupported_media", b"plain text\n"),
        ("unsupported_media", b"%PDF-1.7\n" + b"x" * 3000),
        ("unsupported_media", b"PK\x03\x04" + bytes(3000)),
        ("unsupported_media", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"),
        ("unsupported_media", np.random.default_rng(1).bytes(50_000)),
        ("empty_audio", b"\x1aE\xdf\xa3\x01"),
        ("empty_audio", b"RIFF\x24\x00\x00\x00WAVE"),
        ("damaged", b"#!AMR\n" + b"\x7c" * 250),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    """The code is stable, and probing and decoding say the same."""
    path = write_bytes(tmp_path / "secret-name.wav", content)
    for read in (probe, decode):
        with pytest.raises(Permanent) as raised:
            read(path)
        assert raised.value.code == code
        for word in ("secret-name", "ffmpeg", "av.", "Error"):
            assert word not in raised.value.message


@pytest.mark.parametrize("content", [PLAYLIST, "ffconcat version 1.0\nfile '{sound}'\n"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, content: str) -> None:
    """A text that names another file on this machine does not bring its sound out."""
    sound = write(tmp_path / "private.wav", "pcm_s16le")
    path = tmp_path / "list.wav"
    path.write_text(content.format(sound=sound.name))
    with pytest.raises(Permanent, match="not an audio or video file"):
        probe(path)


@pytest.mark.parametrize("samples", [0, 160, 479])
def test_less_than_30_ms_is_no_recording(tmp_path: Path, samples: int) -> None:
    """A header alone, and a few milliseconds, are refused before they meet a model."""
    path = write_wave(tmp_path / "a.wav", np.full(samples, 1000))
    for read in (probe, decode):
        with pytest.raises(Permanent) as raised:
            read(path)
        assert raised.value.code == "empty_audio"


def test_30_ms_are_a_recording(tmp_path: Path) -> None:
    """The shortest recording is accepted."""
    assert probe(write_wave(tmp_path / "a.wav", np.full(480, 1000))).sample_rate == RATE


def test_an_unfinished_m4a_is_refused(tmp_path: Path) -> None:
    """A recorder that died leaves no index behind; the message says that the file is not complete."""
    content = write(tmp_path / "a.m4a", "aac").read_bytes()
    with pytest.raises(Permanent, match="not complete") as raised:
        probe(write_bytes(tmp_path / "b.m4a", content[: len(content) * 2 // 3]))
    assert raised.value.code == "unreadable_media"


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    """There is nothing to transcribe in a silent film."""
    with pytest.raises(Permanent) as raised:
        probe(write_video(tmp_path / "a.mp4", sound=False))
    assert raised.value.code == "no_audio_stream"


def test_nothing_is_printed_and_nothing_is_loaded_early(tmp_path: Path) -> None:
    """The codecs stay silent about a damaged file, and importing the module imports neither them nor numpy."""
    content = bytearray(write(tmp_path / "a.aac", "aac").read_bytes())
    content[9000:11000] = bytes(2000)
    path = write_bytes(tmp_path / "b.aac", bytes(content))
    program = (
        "import sys, pathlib, shared.audio as audio\n"
        "assert not {'av', 'numpy'} & set(sys.modules)\n"
        "assert audio.decode(pathlib.Path(sys.argv[1])).damaged\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
