"""The asr stage with a channel for each speaker."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.asr._copies import BLOCK, without_copies
from services.asr.stage import run
from shared.messages import Document, Options, Segment
from tests.fakes.noise import NoiseEngine
from tests.fakes.recordings import RATE, write, write_wave
from tests.fakes.stage import Died, FakeEmit, FakeWork

SEPARATE = Options(channels="separate")

Sound = np.ndarray[Any, np.dtype[np.float64]]


def spoken(seconds: float, *stretches: tuple[float, float], seed: int = 1) -> Sound:
    """A channel of this length with noise from … to … seconds."""
    noise = np.random.default_rng(seed).normal(0, 8000, int(seconds * RATE))
    silent = np.ones(len(noise), bool)
    for start, end in stretches:
        silent[int(start * RATE) : int(end * RATE)] = False
    noise[silent] = 0
    return noise.clip(-32768, 32767)


def call(folder: Path, *channels: Sound) -> Path:
    return write_wave(folder / "call.wav", np.stack(channels, axis=1))


async def transcribe(
    path: Path, engine: NoiseEngine | None = None, options: Options = SEPARATE
) -> tuple[Document, Sequence[Segment], FakeEmit]:
    work = FakeWork(options, audio=path)
    emit = FakeEmit(work)
    return await run(work, engine or NoiseEngine(), emit), work.written, emit


async def test_u09_call_recording_with_one_speaker_per_channel(tmp_path: Path) -> None:
    """Each segment names its channel; all together are in the order of time, numbered without a gap."""
    stretches = (((0, 6), (20, 26), (40, 46)), ((8, 14), (21, 30), (50, 56)))
    path = call(tmp_path, *(spoken(60, *own, seed=seed) for seed, own in enumerate(stretches)))
    document, segments, _ = await transcribe(path)
    assert [segment.index for segment in segments] == list(range(1, len(segments) + 1))
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)
    for channel, own in enumerate(stretches):
        heard = [segment for segment in segments if segment.channel == channel]
        assert all(any(start - 0.5 < s.start < s.end < end + 0.5 for start, end in own) for s in heard)
    assert document.duration == 60
    assert document.coverage == pytest.approx(1.0, abs=0.05)
    assert document.warnings == ()


async def test_u09_both_channels_are_mixed_by_default(tmp_path: Path) -> None:
    """Nothing of either is lost, and no segment names a channel."""
    path = call(tmp_path, spoken(30, (0, 6)), spoken(30, (12, 18), seed=2))
    _, segments, _ = await transcribe(path, options=Options())
    assert [round(segment.start) for segment in segments] == [0, 4, 12, 16]
    assert {segment.channel for segment in segments} == {None}


async def test_u09_a_channel_and_its_reverse_are_heard(tmp_path: Path) -> None:
    """One microphone with crossed wires does not silence the other."""
    sound = spoken(10, (0, 8))
    _, segments, _ = await transcribe(call(tmp_path, sound, -sound), options=Options())
    assert [round(segment.start) for segment in segments] == [0, 4]


@pytest.mark.parametrize(
    ("left", "right", "channel"), [(1.0, 1.0, 0), (1.0, 0.8, 0), (0.8, 1.0, 0), (0.1, 1.0, 1), (1.0, -1.0, 0)]
)
async def test_u09_copies_are_heard_once(tmp_path: Path, left: float, right: float, channel: int) -> None:
    """One voice on two channels is one voice: that of the first, unless there is but a leak of it."""
    sound = spoken(30, (0, 8), (12, 20)) / 2
    engine = NoiseEngine()
    _, segments, _ = await transcribe(call(tmp_path, left * sound, right * sound), engine)
    assert [round(segment.start) for segment in segments] == [0, 4, 12, 16]
    assert {segment.channel for segment in segments} == {channel}
    assert sum(count for count, _ in engine.heard) == 2


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.opus", "libopus"), ("a.m4a", "aac")])
async def test_u09_copies_are_known_through_a_codec(tmp_path: Path, name: str, codec: str) -> None:
    """A mono call that was stored as stereo is one voice in any format."""
    noise = np.random.default_rng(1).normal(0, 0.2, 12 * RATE).astype(np.float32)
    _, segments, _ = await transcribe(write(tmp_path / name, codec, layout="stereo", samples=noise))
    assert {segment.channel for segment in segments} == {0}
    assert sum(segment.end - segment.start for segment in segments) < 13


async def test_u09_one_channel_is_the_first(tmp_path: Path) -> None:
    """A recording with a single channel can be asked for its channels, too."""
    _, segments, _ = await transcribe(call(tmp_path, spoken(10, (0, 8))))
    assert {segment.channel for segment in segments} == {0}


TALK = (
    spoken(240, *[(start, start + 9) for start in range(0, 240, 24)]),
    spoken(240, *[(start + 8, start + 19) for start in range(0, 240, 24)], seed=2),
    spoken(240, (30, 32), (200, 203), seed=3),
)


@pytest.mark.parametrize("dies_after", [1, 2, 5, 9, 17, 30, 45])
async def test_u09_another_attempt_goes_on_behind_a_dead_one(tmp_path: Path, dies_after: int) -> None:
    """Wherever the worker dies, the next attempt writes what is missing, channel by channel, in the same order."""
    path = call(tmp_path, *TALK)
    expected, undisturbed, _ = await transcribe(path)
    assert len(undisturbed) > 45
    first = FakeWork(SEPARATE, audio=path)
    with pytest.raises(Died):
        await run(first, NoiseEngine(), FakeEmit(first, dies_after=dies_after))
    second = FakeWork(SEPARATE, audio=path, written=first.written[:dies_after])
    emit = FakeEmit(second)
    document = await run(second, NoiseEngine(), emit)
    assert second.written == undisturbed
    assert emit.emitted == list(undisturbed[dies_after:])
    assert (document.segments, document.coverage) == (expected.segments, expected.coverage)


async def test_u09_a_channel_that_hardly_speaks_holds_up_nobody(tmp_path: Path) -> None:
    """Text goes on to come while the recording is heard, in the order of time, though one side says a word a minute."""
    path = call(
        tmp_path,
        spoken(300, (0, 300)),
        spoken(300, *[(start, start + 1.5) for start in range(5, 300, 60)], seed=2),
    )
    _, segments, emit = await transcribe(path)
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)
    assert {segment.channel for segment in segments} == {0, 1}
    ends = [segments[-1].end for segments, _ in emit.calls]
    assert ends[0] < 35
    assert max(np.diff(ends)) < 95
    shares = [done for _, done in emit.calls if done is not None]
    assert shares == sorted(shares)
    assert 0.95 < shares[-1] <= 1


async def test_u09_each_channel_has_its_language(tmp_path: Path) -> None:
    """An interpreter's two channels are two languages; the document names that of which there is more."""

    path = call(tmp_path, spoken(60, (0, 8)), spoken(60, (10, 58), seed=2) / 4)
    document, segments, _ = await transcribe(path, NoiseEngine(quiet=0.1))
    assert {(segment.channel, segment.language) for segment in segments} == {(0, "pt"), (1, "en")}
    assert document.language == "en"


def test_u09_an_echo_of_one_side_in_the_other_is_no_speech() -> None:
    """What one channel lets through of the other is silenced, second by second; own speech is not."""
    random = np.random.default_rng(1)
    speech = random.normal(0, 0.1, (2, 2 * BLOCK)).astype(np.float32)
    left = np.concatenate([speech[0, :BLOCK], 0.05 * speech[1, BLOCK:]])
    right = np.concatenate([0.05 * speech[0, :BLOCK], speech[1, BLOCK:]])
    kept = without_copies(np.stack([left, right]))
    assert np.array_equal(kept[0], np.concatenate([left[:BLOCK], np.zeros(BLOCK)]))
    assert np.array_equal(kept[1], np.concatenate([np.zeros(BLOCK), right[BLOCK:]]))


def test_u09_of_many_copies_one_stays() -> None:
    """Whatever their loudness, in whatever order they come."""
    sound = np.random.default_rng(1).normal(0, 0.1, BLOCK).astype(np.float32)
    for gains in ([1.0, 1.38, 1.45], [1.45, 1.0, 1.38], [0.1, 0.2, 0.4, 0.8], [1.0, 1.0, 1.0]):
        kept = without_copies(np.stack([gain * sound for gain in gains]))
        assert sum(channel.any() for channel in kept) == 1, gains
