"""Speech recognition with the real models: what was said, when, and nothing that was not."""

from pathlib import Path

import numpy as np
import pytest

from services.asr.engine import make_engine
from services.asr.protocol import Engine, Heard, Hints, Request
from services.asr.settings import Settings
from services.asr.stage import run
from shared.audio import decode
from shared.errors import ModelMissing, SettingsError
from shared.messages import Options
from tests.fakes.recordings import RATE, write_wave
from tests.fakes.stage import Died, FakeEmit, FakeWork
from tests.models.hearing import LINES, MODELS, asr_settings, errors, heard, plain, transcribe, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _known(answer: Heard) -> list[object]:
    """All but the likelihoods, whose last digits are those of other sums."""
    return [answer.languages, [[(word.text, word.start, word.end) for word in words] for words in answer.clips]]


@pytest.fixture
def engine(whisper: Engine) -> Engine:
    return whisper


async def test_a_famous_sentence(engine: Engine, audio: Path) -> None:
    """It is heard word for word, in a language that is found, and all speech has text."""
    document, segments = await transcribe(engine, audio / "jfk.flac")
    text = " ".join(segment.text for segment in segments)
    assert "ask not what your country can do for you" in " ".join(plain(text))
    assert document.language == "en"
    assert document.language_score is not None
    assert document.language_score > 0.8
    assert document.coverage > 0.95
    assert document.warnings == ()


async def test_word_error_rate(engine: Engine, audio: Path) -> None:
    """A speech and five lines of a novel, read aloud: at most one word in twenty is wrong."""
    wrong = total = 0
    for name, said in LINES.items():
        _, segments = await transcribe(engine, audio / name)
        wrong += errors(said.split(), plain(" ".join(segment.text for segment in segments)))
        total += len(said.split())
    assert wrong / total <= 0.05


async def test_words_are_timed(engine: Engine, audio: Path, tmp_path: Path) -> None:
    """Each word has its time, in order, within the recording, and where it was really said."""
    path = write_wave(tmp_path / "all.wav", whole(audio) * 32767)
    document, segments = await transcribe(engine, path)
    words = [word for segment in segments for word in segment.words]
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= document.duration
    assert all(word.score is not None and 0 <= word.score <= 1 for word in words)
    assert all(" ".join(word.text for word in segment.words) == segment.text for segment in segments)
    dashwood = next(word for word in words if word.text == "Dashwood")
    assert dashwood.start == pytest.approx(11 + 0.95, abs=0.4)
    assert max(segment.end - segment.start for segment in segments) <= 15
    assert len(segments) >= 5


async def test_long_silences_move_no_word(engine: Engine, audio: Path, tmp_path: Path) -> None:
    """Silence that is left out for the recogniser is back in the times."""
    first, second = (decode(audio / name).samples for name in ("librivox-0880.wav", "librivox-0930.wav"))
    samples = np.concatenate([first, np.zeros(20 * RATE, np.float32), second])
    _, segments = await transcribe(engine, write_wave(tmp_path / "apart.wav", samples * 32767))
    assert len(segments) == 2
    assert segments[0].end < 3.2
    assert segments[1].start == pytest.approx(len(first) / RATE + 20.26, abs=0.3)
    assert segments[1].end == pytest.approx(len(first) / RATE + 23.04, abs=0.3)


async def test_u09_two_speakers_on_two_channels(engine: Engine, audio: Path, tmp_path: Path) -> None:
    """Each is heard once: the words of both when mixed, each on its channel when asked for, and a twin but once."""
    left, right = (decode(audio / name).samples for name in ("jfk.flac", "librivox-0920.wav"))
    length = len(left) + len(right)
    first, second = np.pad(left, (0, length - len(left))), np.pad(right, (length - len(right), 0))
    path = write_wave(tmp_path / "call.wav", np.stack([first, second], axis=1) * 32767)
    _, mixed = await transcribe(engine, path)
    text = plain(" ".join(segment.text for segment in mixed))
    assert (text.count("americans"), text.count("amiable")) == (1, 1)
    separate = Options(channels="separate")
    document, apart = await transcribe(engine, path, separate)
    by_channel = [
        plain(" ".join(segment.text for segment in apart if segment.channel == channel)) for channel in (0, 1)
    ]
    assert [("americans" in text, "amiable" in text) for text in by_channel] == [(True, False), (False, True)]
    assert document.coverage > 0.95
    twin = write_wave(tmp_path / "twin.wav", np.stack([left, left], axis=1) * 32767)
    _, once = await transcribe(engine, twin, separate)
    assert plain(" ".join(segment.text for segment in once)).count("americans") == 1
    assert {segment.channel for segment in once} == {0}


async def test_what_is_said_twice_is_heard_twice(engine: Engine, audio: Path, tmp_path: Path) -> None:
    """A recogniser that stops before the end of a clip is asked again for the rest of it."""
    line = decode(audio / "librivox-0930.wav").samples
    samples = np.concatenate([line, np.zeros(20 * RATE, np.float32), line])
    document, segments = await transcribe(engine, write_wave(tmp_path / "twice.wav", samples * 32767))
    assert [plain(segment.text) for segment in segments] == [LINES["librivox-0930.wav"].split()] * 2
    assert document.coverage > 0.95


async def test_another_attempt_writes_the_same(engine: Engine, audio: Path, tmp_path: Path) -> None:
    """What a dead attempt began is finished to the same segments as without the death."""
    path = write_wave(tmp_path / "all.wav", whole(audio) * 32767)
    _, undisturbed = await transcribe(engine, path)
    first = FakeWork(audio=path)
    with pytest.raises(Died):
        await run(first, engine, FakeEmit(first, dies_after=1))
    for safe in (1, len(undisturbed) - 1):
        second = FakeWork(audio=path, written=undisturbed[:safe])
        await run(second, engine, FakeEmit(second))
        assert second.written == undisturbed


def test_a11_hints_steer_the_recogniser_and_have_a_limit(engine: Engine, audio: Path) -> None:
    """A prompt changes the spelling; one that is longer than the decoder is cut instead of breaking it."""
    line = decode(audio / "librivox-0870.wav").samples
    steering = Hints(language="en", prompt="Mister Jon Dashwoode.")
    steered = heard(engine, [line], steering)
    assert "Dashwoode" in "".join(word.text for word in steered.clips[0])
    assert not engine.cuts(steering)
    endless = Hints(language="en", prompt="and so on " * 500, hotwords="Elinor " * 500)
    assert engine.cuts(endless)
    assert heard(engine, [line], endless).clips[0]


def test_a06_every_length_of_clip_is_survived(engine: Engine) -> None:
    """From a hundredth of a second to the full window, alone and together."""
    clips = [np.random.default_rng(1).normal(0, 0.1, size).astype(np.float32) for size in (512, 1024, 16_000, 479_744)]
    for batch in [*[[clip] for clip in clips], clips]:
        assert len(heard(engine, batch, Hints(language="en")).clips) == len(batch)


def test_a_clip_is_heard_the_same_beside_others(engine: Engine, audio: Path) -> None:
    """Tasks whose clips share a call get the text, the times and the languages that they would get alone."""
    lines = ("librivox-0880.wav", "jfk.flac", "librivox-0930.wav", "librivox-0890.wav")
    requests = [Request(clips=[decode(audio / name).samples], hints=Hints()) for name in lines]
    alone = [engine.transcribe([request])[0] for request in requests]
    together = engine.transcribe(requests)
    assert [_known(answer) for answer in together] == [_known(answer) for answer in alone]


def test_an_english_model_understands_english(audio: Path) -> None:
    """A model for one language offers one language, and guesses none."""
    recogniser = make_engine(asr_settings("whisper-tiny.en", worker_threads=1))
    recogniser.load()
    assert recogniser.languages == {"en"}
    answer = heard(recogniser, [decode(audio / "jfk.flac").samples])
    assert (answer.language, answer.language_score) == ("en", None)
    assert "your country" in "".join(word.text for word in answer.clips[0])
    assert recogniser.describe()["threads"] == 1


def test_the_engine_of_whisperx_hears_the_same(engine: Engine, audio: Path) -> None:
    """The default engine and the light one differ in their weight, not in their text."""
    whisperx = make_engine(Settings(models_dir=MODELS))
    whisperx.load()
    line = [decode(audio / "librivox-0920.wav").samples]
    assert heard(whisperx, line) == heard(engine, line)


def test_an_unknown_engine_is_named() -> None:
    """The message names the variable and the choices."""
    with pytest.raises(SettingsError, match=r"^ASR_ENGINE: .*embedded, light$"):
        make_engine(Settings(asr_engine="quantum"))


@pytest.mark.parametrize("variable", ["asr_device", "asr_compute_type"])
def test_what_the_machine_cannot_do_is_named(variable: str) -> None:
    """A device or precision that is not there ends the worker with one line that names the variable."""
    with pytest.raises(SettingsError, match=rf"^ASR_MODEL: .*{variable.upper()}=nonsense"):
        make_engine(asr_settings(**{variable: "nonsense"})).load()


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    """A worker without its model ends with one line that helps."""
    with pytest.raises(ModelMissing, match="voxmesh models pull whisper-base"):
        make_engine(Settings(models_dir=tmp_path)).load()
    with pytest.raises(ModelMissing, match="ASR_MODEL"):
        make_engine(Settings(asr_model=str(tmp_path))).load()


async def test_whisper_writes_in_english_what_is_said_in_portuguese(engine: Engine, audio: Path) -> None:
    """With its own translate task, in words that have their times. (English that is taken for Portuguese shows that the
    task is chosen by what is to be done, and costs no other recording.)"""
    options = Options(language="pt", english_unless=())
    document, segments = await transcribe(engine, audio / "jfk.flac", options)
    assert "country" in " ".join(plain(" ".join(segment.text for segment in segments)))
    assert document.language == "pt"
    assert all(segment.translation == segment.text and segment.words for segment in segments)
