"""The asr stage, with an engine that hears a word in each second of noise."""

from pathlib import Path

import numpy as np
import pytest

from services.asr.protocol import Hints
from services.asr.stage import STAGE, run
from shared.errors import Permanent
from shared.events import Piece
from shared.messages import Document, Options, Segment, StageName, Step, Transcript, TranscriptPart
from tests.fakes.noise import NoiseEngine, recording, transcribe
from tests.fakes.recordings import RATE, write, write_bytes, write_wave
from tests.fakes.stage import FakeEmit, FakeWork


async def test_segments_are_sentences_with_their_words(tmp_path: Path) -> None:
    """Segments count from 1, hold their words at their times, and the document sums them up."""
    document, work, emit = await transcribe(recording(tmp_path, ("silence", 2), ("noise", 8), ("silence", 2)))
    assert [segment.index for segment in work.written] == [1, 2]
    assert work.written[0].text == "Word0 Word1 Word2 Word3."
    assert [word.text for word in work.written[0].words] == ["Word0", "Word1", "Word2", "Word3."]
    assert work.written[0].start == pytest.approx(2, abs=0.1)
    assert {segment.language for segment in work.written} == {"pt"}
    assert document == Document(
        segments=2, duration=12.0, language="pt", language_score=0.9, coverage=document.coverage
    )
    assert document.coverage == pytest.approx(1.0, abs=0.1)
    assert emit.partial(Step.TRANSCRIPTION_COMPLETE) == Transcript(
        transcript=" ".join(segment.text for segment in work.written),
        language="pt",
        duration=12.0,
        segments=tuple(work.written),
    )


async def test_the_first_text_comes_early(tmp_path: Path) -> None:
    """Of a long recording the first call to the recogniser brings one short clip, the next ones more and more."""
    engine = NoiseEngine()
    _, _, emit = await transcribe(recording(tmp_path, *[("noise", 9.0), ("silence", 0.5)] * 25), engine)
    assert [count for count, _ in engine.heard] == [1, 2, 4, 2]
    assert emit.calls[0][0][-1].end < 10
    shares = [done for _, done in emit.calls if done is not None]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1
    assert 0.95 < shares[-1] <= 1


async def test_a_recording_without_a_length_has_progress(tmp_path: Path) -> None:
    """Where the header tells no length, the share that is done still rises, and stays below 1 till the end."""
    noise = np.random.default_rng(1).normal(0, 0.2, 80 * RATE).astype(np.float32)
    path = write(tmp_path / "live.webm", "libopus", options={"live": "1"}, samples=noise)
    _, _, emit = await transcribe(path)
    shares = [done for _, done in emit.calls if done is not None]
    assert shares == sorted(shares)
    assert len(shares) == len(emit.calls) > 1
    assert 0 < shares[0] < 0.3


async def test_a02_silence_completes_with_a_warning(tmp_path: Path) -> None:
    """No speech is no error: no segments, no language, one warning, and the recogniser is not asked to invent any."""
    engine = NoiseEngine()
    document, work, emit = await transcribe(recording(tmp_path, ("silence", 30)), engine)
    assert not work.written
    assert not engine.heard
    assert (document.segments, document.language, document.coverage) == (0, None, 1.0)
    assert [warning.code for warning in document.warnings] == ["no_speech"]
    assert emit.steps[-1][0] is Step.TRANSCRIPTION_COMPLETE
    assert emit.steps[-1][2] == document.warnings


async def test_an_unsure_language_is_guessed_with_more_speech(tmp_path: Path) -> None:
    """Nothing is written in a language that is half a guess, as long as there is more to hear."""
    engine = NoiseEngine(0.3, 0.8)
    document, work, emit = await transcribe(recording(tmp_path, *[("noise", 9.0), ("silence", 0.5)] * 10), engine)
    assert [count for count, _ in engine.heard][:2] == [1, 3]
    assert [hints.likely for _, hints in engine.heard][:3] == [None, None, "pt"]
    assert {hints.language for _, hints in engine.heard} == {None}
    assert document.language_score == 0.8
    assert work.written[0].start < 1
    assert emit.calls[0][0]


@pytest.mark.parametrize("tail", [("silence", 0.0), ("silence", 60.0)])
async def test_an_unsure_language_is_taken_when_there_is_no_more(tmp_path: Path, tail: tuple[str, float]) -> None:
    """A short remark is transcribed however unsure its language is."""
    document, work, _ = await transcribe(recording(tmp_path, ("noise", 12.0), tail), NoiseEngine(0.3, 0.3, 0.3))
    assert work.written
    assert document.language_score == 0.3
    assert [warning.code for warning in document.warnings] == ["language_uncertain"]


async def test_a08_all_of_the_recording_is_asked_for_the_language(tmp_path: Path) -> None:
    """A start of which nobody is sure, and says so, needs no warning when all that follows is certain."""
    path = recording(tmp_path, *[("noise", 9.0), ("silence", 0.5)] * 20)
    document, work, _ = await transcribe(path, NoiseEngine(0.3, 0.4, later=0.95))
    assert (work.written[0].language_score, work.written[-1].language_score) == (0.4, 0.95)
    assert document.language_score is not None
    assert 0.5 < document.language_score < 0.95
    assert document.warnings == ()


async def test_an_option_that_is_not_followed_is_no_secret(tmp_path: Path) -> None:
    """The task goes on, and says in both places what it did not do."""
    document, _, emit = await transcribe(recording(tmp_path, ("noise", 4)), options=Options(diarize=True))
    assert [warning.code for warning in document.warnings] == ["speakers_unknown"]
    assert emit.steps[-1][2] == document.warnings


async def test_a_word_is_not_stretched_over_what_was_left_out(tmp_path: Path) -> None:
    """Where the last word is said to go on to the end of the clip, the rest is asked for all the same."""
    engine = NoiseEngine(most=1, late=11.0)
    document, work, _ = await transcribe(recording(tmp_path, ("noise", 12.3)), engine)
    assert [count for count, _ in engine.heard] == [1, 1]
    assert [segment.text for segment in work.written] == ["Word0.", "Word0."]
    assert work.written[0].end < 5
    assert document.coverage < 1.0


async def test_the_rest_of_a_clip_is_asked_for(tmp_path: Path) -> None:
    """A recogniser that stops in the middle of a clip hears what is behind it again, alone, and at its place."""
    engine = NoiseEngine(most=8)
    document, work, _ = await transcribe(recording(tmp_path, ("noise", 16.3)), engine)
    assert [count for count, _ in engine.heard] == [1, 1]
    assert engine.heard[1][1].language == "pt"
    words = [word for segment in work.written for word in segment.words]
    assert [word.start for word in words] == pytest.approx(range(16), abs=0.1)
    assert document.coverage == 1.0


async def test_a_given_language_is_not_guessed(tmp_path: Path) -> None:
    """The client's word counts, and there is no score for it."""
    engine = NoiseEngine()
    document, _, _ = await transcribe(recording(tmp_path, ("noise", 3)), engine, Options(language="en"))
    assert engine.heard[0][1].language == "en"
    assert (document.language, document.language_score) == ("en", None)


async def test_a_language_that_nobody_understands_fails(tmp_path: Path) -> None:
    """Better no transcript than one in the wrong language."""
    with pytest.raises(Permanent) as raised:
        await transcribe(recording(tmp_path, ("noise", 3)), options=Options(language="ja"))
    assert raised.value.code == "unsupported_language"


async def test_a09_two_languages_in_one_recording(tmp_path: Path) -> None:
    """Each clip is transcribed in its own language and says so; the warning tells the shares; an attempt that goes on
    behind the change finds the same."""
    random = np.random.default_rng(1)
    path = write_wave(tmp_path / "two.wav", random.normal(0, 1, 120 * RATE) * np.repeat([8000, 2000], 60 * RATE))
    document, work, _ = await transcribe(path, NoiseEngine(quiet=0.1))
    languages = [str(segment.language) for segment in work.written]
    assert languages == sorted(languages, reverse=True)
    assert set(languages) == {"pt", "en"}
    (warning,) = document.warnings
    assert warning.code == "mixed_language"
    assert all(f"{language} " in warning.message for language in ("pt", "en"))
    second = FakeWork(audio=path, written=work.written[:-2])
    await run(second, NoiseEngine(quiet=0.1), FakeEmit(second))
    assert second.written == work.written


async def test_a09_a_language_that_is_named_is_that_of_all(tmp_path: Path) -> None:
    """The client's word counts: nothing is guessed, and nothing is in another language."""
    engine = NoiseEngine()
    document, work, _ = await transcribe(recording(tmp_path, ("noise", 70)), engine, Options(language="en"))
    assert {hints.language for _, hints in engine.heard} == {"en"}
    assert {segment.language for segment in work.written} == {document.language} == {"en"}


async def test_a11_hints_reach_the_recogniser(tmp_path: Path) -> None:
    """Prompt and hotwords go along with each call; a warning tells when they were too long."""
    engine = NoiseEngine()
    path = recording(tmp_path, ("noise", 3))
    options = Options(initial_prompt="x" * 2000, hotwords="Dashwood")
    document, _, _ = await transcribe(path, engine, options)
    assert engine.heard[0][1] == Hints(prompt=options.initial_prompt, hotwords="Dashwood")
    assert [warning.code for warning in document.warnings] == ["prompt_truncated"]


async def test_a05_times_stay_within_the_recording(tmp_path: Path) -> None:
    """A recogniser that hears beyond the end, or overlapping words, is put right, and the task says so."""
    document, work, _ = await transcribe(recording(tmp_path, ("noise", 13.4)), NoiseEngine(late=20.0))
    assert [warning.code for warning in document.warnings] == ["times_clamped"]
    words = [word for segment in work.written for word in segment.words]
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= document.duration
    for segment in work.written:
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)


async def test_words_can_be_left_out(tmp_path: Path) -> None:
    """Without word timestamps the segments are the same but for their words."""
    path = recording(tmp_path, ("noise", 8))
    _, with_words, _ = await transcribe(path)
    _, without, _ = await transcribe(path, options=Options(word_timestamps=False))
    assert [segment.text for segment in without.written] == [segment.text for segment in with_words.written]
    assert not any(segment.words for segment in without.written)


async def test_damaged_audio_is_transcribed_with_a_warning(tmp_path: Path) -> None:
    """What can be read of a cut file becomes text, and the warning says how much that was."""
    content = write(tmp_path / "a.flac", "flac").read_bytes()
    path = write_bytes(tmp_path / "cut.flac", content[: len(content) * 7 // 10])
    document, work, _ = await transcribe(path)
    (warning,) = document.warnings
    assert work.written
    assert (warning.code, warning.stage) == ("truncated_or_damaged", StageName.ASR)
    assert f"{document.duration:.1f} of 6.0 seconds" in warning.message


async def test_what_is_no_recording_fails(tmp_path: Path) -> None:
    """The stage refuses what the decoder refuses, with the same code."""
    with pytest.raises(Permanent) as raised:
        await transcribe(write_bytes(tmp_path / "a.wav", b"plain text"))
    assert raised.value.code == "unsupported_media"


def test_partials_carry_the_text_so_far() -> None:
    """The runner gets from the stage how a segment is shown while the transcription goes on."""
    segment = Segment(index=2, start=1.0, end=2.0, text="are you?")
    assert STAGE.partial is not None
    assert STAGE.partial.step is Step.TRANSCRIPTION
    assert STAGE.partial.piece(segment) == Piece(" ", "are you?")
    expected = TranscriptPart(transcript="How are you?", segment=segment)
    assert STAGE.partial.part("How are you?", segment) == expected


async def test_speech_comes_in_english_where_it_is_asked_for(tmp_path: Path) -> None:
    """What the recogniser has put into English is its own translation, and the language is still what is spoken, also
    for an attempt that goes on behind another; a language that is left to the translate stage comes as it is."""
    path = recording(tmp_path, ("noise", 8))
    _, work, _ = await transcribe(path, options=Options(english_unless=("fi",)))
    assert [(segment.translation, segment.language) for segment in work.written] == [
        (segment.text, "pt") for segment in work.written
    ]
    assert work.written
    for options in (Options(english_unless=("fi", "pt")), Options(), Options(english_unless=(), language="en")):
        _, work, _ = await transcribe(path, options=options)
        assert {segment.translation for segment in work.written} == {None}
