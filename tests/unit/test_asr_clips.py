"""Where speech is found, and how it is cut for the recogniser."""

import numpy as np
import pytest

from services.asr._clips import FRAME, FRAME_SECONDS, Clip, Cutter


def cut(probabilities: list[float], *, window: int = 100, little: bool = False) -> tuple[list[Clip], Cutter]:
    """The clips of a recording with these probabilities. Each sample holds the number of its frame."""
    cutter = Cutter()
    if little:
        cutter.expect_little()
    clips: list[Clip] = []
    for start in range(0, len(probabilities), window):
        part = probabilities[start : start + window]
        samples = np.repeat(np.arange(start, start + len(part), dtype=np.float32), FRAME)
        clips += cutter.feed(samples, part)
    return [*clips, *cutter.finish()], cutter


def frames(clip: Clip) -> list[int]:
    return clip.samples[::FRAME].astype(int).tolist()


def test_silence_gives_no_clips() -> None:
    """Where nobody speaks the recogniser is not asked."""
    clips, cutter = cut([0.1] * 2000)
    assert clips == []
    assert not any(cutter.speech)


def test_a_click_is_no_speech() -> None:
    """Two frames above the threshold are no word."""
    clips, _ = cut([0.0] * 50 + [0.9] * 2 + [0.0] * 50)
    assert clips == []


def test_speech_is_kept_with_a_little_silence() -> None:
    """Soft beginnings and endings survive; the rest of the silence does not."""
    clips, _ = cut([0.0] * 100 + [0.9] * 20 + [0.0] * 100)
    (clip,) = clips
    kept = frames(clip)
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert 100 - 14 <= kept[0] <= 100 - 12
    assert kept[-1] == 119 + 12


def test_speech_wavers_without_ending() -> None:
    """Between the thresholds it goes on when it goes on, and does not begin when it does not."""
    _, cutter = cut([0.4] * 10 + [0.9] * 10 + [0.4] * 10 + [0.1] * 5 + [0.4] * 10)
    assert list(cutter.speech) == [0] * 10 + [1] * 20 + [0] * 15


def test_long_silences_are_left_out() -> None:
    """Two remarks a minute apart share a clip, and words keep their times in the recording."""
    clips, _ = cut([0.9] * 50 + [0.0] * 2000 + [0.9] * 50, little=True)
    (clip,) = clips
    assert len(frames(clip)) < 150
    second = frames(clip).index(2050) * FRAME_SECONDS
    start, end = clip.in_recording(second, second + 0.5)
    assert start == pytest.approx(2050 * FRAME_SECONDS, abs=0.01)
    assert end == pytest.approx(2050 * FRAME_SECONDS + 0.5, abs=0.01)


def test_a_word_does_not_reach_over_a_silence() -> None:
    """A recogniser lets words grow into the pauses beside them; the silence is taken off again."""
    clips, _ = cut([0.9] * 50 + [0.0] * 20 + [0.9] * 50, little=True)
    (clip,) = clips
    start, end = clip.in_recording(1.0, 65 * FRAME_SECONDS)
    assert start == 1.0
    assert end == pytest.approx(51 * FRAME_SECONDS)


def test_clips_have_their_limits() -> None:
    """The first clip of a long recording is short, and none exceeds 30 s, even when nobody pauses."""
    clips, _ = cut([0.9] * 5000)
    lengths = [len(clip.samples) / 16_000 for clip in clips]
    assert 5 <= lengths[0] <= 10
    assert max(lengths) <= 30
    assert [frame for clip in clips for frame in frames(clip)] == list(range(5000))


def test_a_short_recording_is_one_clip() -> None:
    """No second run for a recording that fits into one."""
    assert len(cut([0.9] * 800, little=True)[0]) == 1


@pytest.mark.parametrize(("pauses", "end"), [((10, 4), 185), ((4, 10), 229)])
def test_clips_end_in_the_longest_pause(pauses: tuple[int, int], end: int) -> None:
    """A sentence is not cut where the speaker only takes a breath."""
    speech = [0.9] * 180 + [0.0] * pauses[0] + [0.9] * 40 + [0.0] * pauses[1] + [0.9] * 400
    clips, _ = cut(speech)
    assert frames(clips[0])[-1] == pytest.approx(end, abs=3)


def test_without_a_pause_the_quietest_place_is_cut() -> None:
    """Of an unbroken flow of speech the least certain moment is the end of the clip."""
    speech = [0.9] * 600
    speech[250] = 0.45
    assert frames(cut(speech)[0][0])[-1] == 249


@pytest.mark.parametrize("window", [1, 7, 384])
def test_clips_do_not_depend_on_the_windows(window: int) -> None:
    """However the recording arrives, the clips are the same: another attempt cuts as the first did."""
    random = np.random.default_rng(1)
    loudness = np.repeat(random.random(200), random.integers(3, 90, 200))
    expected = [frames(clip) for clip in cut(loudness.tolist())[0]]
    assert len(expected) > 3
    assert [frames(clip) for clip in cut(loudness.tolist(), window=window)[0]] == expected
