"""The asr stage where a worker has died: whoever goes on behind it finds the same."""

from itertools import pairwise
from pathlib import Path

import pytest

from services.asr.stage import run
from shared.messages import Options
from tests.fakes.noise import NoiseEngine, recording, transcribe
from tests.fakes.stage import Died, FakeEmit, FakeWork


@pytest.mark.parametrize("dies_after", [1, 2, 3, 7, 20, 31])
async def test_another_attempt_goes_on_behind_a_dead_one(tmp_path: Path, dies_after: int) -> None:
    """Wherever the worker dies, the next attempt writes what is missing, with the same numbers, times and texts."""
    path = recording(tmp_path, *[("noise", 11.0), ("silence", 1.0)] * 12)
    expected_document, undisturbed, _ = await transcribe(path)
    assert len(undisturbed.written) > 31

    first = FakeWork(audio=path)
    with pytest.raises(Died):
        await run(first, NoiseEngine(), FakeEmit(first, dies_after=dies_after))
    engine = NoiseEngine()
    second = FakeWork(audio=path, written=first.written[:dies_after])
    emit = FakeEmit(second)
    document = await run(second, engine, emit)

    assert second.written == undisturbed.written
    assert emit.emitted == undisturbed.written[dies_after:]
    assert (document.segments, document.coverage) == (expected_document.segments, expected_document.coverage)
    assert {hints.likely for _, hints in engine.heard} <= {"pt"}


async def test_finished_clips_are_not_transcribed_again(tmp_path: Path) -> None:
    """An attempt that comes late in a recording asks the recogniser only for the rest."""
    path = recording(tmp_path, *[("noise", 9.0), ("silence", 2.0)] * 20)
    whole = NoiseEngine()
    _, undisturbed, _ = await transcribe(path, whole)
    rest = NoiseEngine()
    work = FakeWork(audio=path, written=undisturbed.written[:-1])
    await run(work, rest, FakeEmit(work))
    assert len(rest.heard) == 1 < len(whole.heard)


async def test_an_attempt_behind_a_dead_one_is_as_unsure(tmp_path: Path) -> None:
    """How likely the language is lies beside what is written: whoever finishes the task says the same of it."""
    path = recording(tmp_path, *[("noise", 9.0), ("silence", 0.5)] * 10)
    undisturbed, work, _ = await transcribe(path, NoiseEngine(0.3, 0.45))
    assert {segment.language_score for segment in work.written} == {0.45}
    for safe in (1, len(work.written)):
        second = FakeWork(audio=path, written=work.written[:safe])
        document = await run(second, NoiseEngine(later=0.45), FakeEmit(second))
        assert document == undisturbed
    assert undisturbed.language_score == 0.45
    assert [warning.code for warning in undisturbed.warnings] == ["language_uncertain"]


@pytest.mark.parametrize("astray", [7.0, 20.0, 200.0])
async def test_a05_what_is_timed_astray_stays_in_its_clip(tmp_path: Path, astray: float) -> None:
    """Words that are said to begin behind the end of what was heard come no later than what follows; and an attempt
    that goes on anywhere among them finds the same."""
    path = recording(tmp_path, *[("noise", 9.0), ("silence", 2.0)] * 6)
    _, straight, _ = await transcribe(path)
    document, work, _ = await transcribe(path, NoiseEngine(astray=astray))
    starts = [segment.start for segment in work.written]
    assert starts == sorted(starts)
    words = [word for segment in work.written for word in segment.words]
    assert len(words) == sum(len(segment.words) for segment in straight.written)
    assert all(word.start < word.end <= document.duration for word in words)
    assert all(before.end <= behind.start for before, behind in pairwise(words))
    for safe in range(1, len(work.written)):
        second = FakeWork(audio=path, written=work.written[:safe])
        await run(second, NoiseEngine(astray=astray), FakeEmit(second))
        assert second.written == work.written


async def test_an_attempt_behind_a_dead_one_warns_of_the_same(tmp_path: Path) -> None:
    """Wherever a worker dies, also when nothing is left to be heard, its successor's document is that of an undisturbed
    run; and the segments name what concerns them."""
    path = recording(tmp_path, *[("noise", 9.0), ("silence", 0.5)] * 4, ("noise", 9.0))
    options = Options(initial_prompt="x" * 2000)
    undisturbed, work, _ = await transcribe(path, NoiseEngine(late=20.0), options)
    assert [warning.code for warning in undisturbed.warnings] == ["times_clamped", "prompt_truncated"]
    assert {segment.flags for segment in work.written} == {(), ("times_clamped",)}
    for safe in range(1, len(work.written) + 1):
        second = FakeWork(options, audio=path, written=work.written[:safe])
        assert await run(second, NoiseEngine(late=20.0), FakeEmit(second)) == undisturbed
