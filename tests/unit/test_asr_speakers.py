"""The asr stage with somebody who tells speakers apart: here, by how loud they are."""

from pathlib import Path

import numpy as np
import pytest

from services.asr.stage import run
from shared.messages import Document, Options, Step, Transcript
from shared.text.speakers import named
from tests.fakes.noise import NoiseEngine
from tests.fakes.recordings import RATE, write_wave
from tests.fakes.stage import Died, FakeEmit, FakeWork
from tests.fakes.voices import LOUD, SOFT, LoudnessDiarizer

DIARIZE = Options(diarize=True)


class Listener(NoiseEngine):
    """Hears words in noise, and who says them."""

    def __init__(self) -> None:
        super().__init__()
        self.diarizer = self.loudness = LoudnessDiarizer()


def talk(folder: Path, *parts: tuple[float, float]) -> Path:
    """Noise of a loudness for some seconds, one part after the other."""
    random = np.random.default_rng(1)
    pieces = [random.normal(0, 32767 * loudness, int(seconds * RATE)) for loudness, seconds in parts]
    return write_wave(folder / "talk.wav", np.concatenate(pieces).clip(-32768, 32767))


async def transcribe(
    path: Path, options: Options = DIARIZE, *, engine: Listener | None = None
) -> tuple[Document, FakeWork, FakeEmit]:
    work = FakeWork(options, audio=path)
    emit = FakeEmit(work)
    return await run(work, engine or Listener(), emit), work, emit


CONVERSATION = [(SOFT, 8.0), (0.0, 1.0), (LOUD, 8.0), (0.0, 1.0)] * 12


async def test_each_segment_and_word_has_its_speaker(tmp_path: Path) -> None:
    """Already while the recording is heard, and at its end; speakers are numbered as they are first heard, and there is
    no warning."""
    document, work, emit = await transcribe(talk(tmp_path, *CONVERSATION))
    final = named(work.written, document.turns)
    spoken = [each for segment in (*work.written, *final) for each in (segment, *segment.words)]
    certain = [each for each in spoken if int(each.start / 9) == int(each.end / 9)]
    assert len(certain) > 0.7 * len(spoken)
    assert [each.speaker for each in certain] == [f"SPEAKER_0{int(each.start / 9) % 2}" for each in certain]
    assert None not in {each.speaker for each in spoken}
    transcript = emit.partial(Step.TRANSCRIPTION_COMPLETE)
    assert isinstance(transcript, Transcript)
    assert transcript.segments == final
    assert not document.warnings


async def test_at_the_end_it_is_known_better(tmp_path: Path) -> None:
    """Where there is known to be but one speaker, nobody else is named, and so it is told to the model."""
    engine = Listener()
    options = Options(diarize=True, num_speakers=1)
    document, work, _ = await transcribe(talk(tmp_path, *CONVERSATION), options, engine=engine)
    assert {segment.speaker for segment in work.written} == {"SPEAKER_00"}
    assert {turn.speaker for turn in document.turns} == {"SPEAKER_00"}
    assert engine.loudness.bounds == [(1, 1)]


@pytest.mark.parametrize(
    ("options", "bounds"),
    [(Options(diarize=True, min_speakers=2, max_speakers=5), (2, 5)), (DIARIZE, (None, None))],
    ids=["between two numbers", "nothing known"],
)
async def test_what_is_known_of_their_number_is_told(
    tmp_path: Path, options: Options, bounds: tuple[int | None, int | None]
) -> None:
    """To the model that tells them apart."""
    engine = Listener()
    await transcribe(talk(tmp_path, (SOFT, 5.0)), options, engine=engine)
    assert engine.loudness.bounds == [bounds]


@pytest.mark.parametrize("dies_after", [1, 9, 30])
async def test_another_attempt_names_the_same_speakers(tmp_path: Path, dies_after: int) -> None:
    """Wherever the worker dies: who speaks depends on the recording alone."""
    path = talk(tmp_path, *CONVERSATION)
    expected, undisturbed, _ = await transcribe(path)
    first = FakeWork(DIARIZE, audio=path)
    with pytest.raises(Died):
        await run(first, Listener(), FakeEmit(first, dies_after=dies_after))
    second = FakeWork(DIARIZE, audio=path, written=first.written[:dies_after])
    document = await run(second, Listener(), FakeEmit(second))
    assert second.written == undisturbed.written
    assert document.turns == expected.turns


async def test_a_voice_on_two_channels_is_one_person(tmp_path: Path) -> None:
    """Speakers are told apart over all channels together; each channel has its own turns."""
    random = np.random.default_rng(1)
    silence = np.zeros(8 * RATE)
    left = np.concatenate([random.normal(0, SOFT, 8 * RATE), silence, random.normal(0, LOUD, 8 * RATE)])
    right = np.concatenate([silence, random.normal(0, LOUD, 8 * RATE), silence])
    path = write_wave(tmp_path / "call.wav", (np.stack([left, right], axis=1) * 32767).clip(-32768, 32767))
    document, work, _ = await transcribe(path, Options(diarize=True, channels="separate"))
    final = named(work.written, document.turns)
    assert {(segment.channel, int(segment.end - 0.1) // 8, segment.speaker) for segment in final} == {
        (0, 0, "SPEAKER_00"),
        (1, 1, "SPEAKER_01"),
        (0, 2, "SPEAKER_01"),
    }


async def test_nobody_is_told_apart_who_did_not_ask_for_it(tmp_path: Path) -> None:
    """It costs nothing, and no segment has a speaker."""
    engine = Listener()
    document, work, _ = await transcribe(talk(tmp_path, (SOFT, 5.0)), Options(), engine=engine)
    assert engine.loudness.heard == 0
    assert {segment.speaker for segment in work.written} == {None}
    assert document.turns == ()


async def test_silence_has_no_speakers(tmp_path: Path) -> None:
    """And asking for them is no error."""
    document, work, _ = await transcribe(talk(tmp_path, (0.0, 7.0)))
    assert (document.turns, work.written) == ((), [])
