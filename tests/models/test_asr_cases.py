"""What is known to go wrong with speech recognition, tried with the real models."""

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from services.asr.engine import make_engine
from services.asr.protocol import Engine
from shared.audio import decode
from shared.errors import Permanent
from shared.messages import Options
from tests.fakes.recordings import RATE, Sound, write_wave
from tests.fakes.voice import say
from tests.models.hearing import LINES, asr_settings, errors, plain, transcribe, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SPANISH = (
    "Buenos días a todos. Hoy vamos a hablar del nuevo proyecto de la empresa en Madrid. El equipo ha trabajado mucho "
    "durante el verano, y los resultados son muy buenos. La próxima semana vamos a presentar el informe."
)
ENGLISH = (
    "Good morning everybody. Today we are going to talk about the new project of the company in London. The team has "
    "worked very hard during the summer, and the results are very good. Next week we will present the report."
)


def silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * RATE), np.float32)


def noise(seconds: float) -> Sound:
    return np.random.default_rng(1).normal(0, 0.06, int(seconds * RATE)).astype(np.float32)


def pink(seconds: float) -> Sound:
    """Noise like that of rain or a road: each octave as loud as the next."""
    white = np.fft.rfft(np.random.default_rng(1).normal(size=int(seconds * RATE)))
    shape = 1 / np.sqrt(np.maximum(np.arange(len(white)), 1))
    sound = np.fft.irfft(white * shape, int(seconds * RATE))
    return (0.06 * sound / sound.std()).astype(np.float32)


def chord(seconds: float) -> Sound:
    """Three tones with a tremolo."""
    time = np.arange(int(seconds * RATE)) / RATE
    tones = np.sin(2 * np.pi * np.outer((220.0, 277.2, 329.6), time)).sum(axis=0)
    return (0.12 * tones * (0.7 + 0.3 * np.sin(2 * np.pi * 5 * time))).astype(np.float32)


def file(folder: Path, *parts: Sound) -> Path:
    return write_wave(folder / "a.wav", np.concatenate(parts) * 32767)


@pytest.mark.parametrize("sound", [silence, noise, chord])
async def test_a03_nothing_is_made_up_in_ten_minutes(
    whisper: Engine, tmp_path: Path, sound: Callable[[float], Sound]
) -> None:
    """Where nobody speaks there is no text, and the warning says so."""
    document, segments = await transcribe(whisper, file(tmp_path, sound(600.0)))
    assert segments == []
    assert [warning.code for warning in document.warnings] == ["no_speech"]


async def test_a03_thanks_that_are_said_are_kept(whisper: Engine, tmp_path: Path) -> None:
    """The phrase that recognisers like to make up is text when somebody says it."""
    _, segments = await transcribe(whisper, file(tmp_path, silence(5), say(tmp_path, "Thank you for watching.")))
    assert [segment.text for segment in segments] == ["Thank you for watching."]


async def test_a04_no_loop_around_ten_minutes_of_pink_noise(whisper: Engine, audio: Path, tmp_path: Path) -> None:
    """Speech before and behind the noise is heard, and nothing else; no sentence repeats itself. (A recogniser leaves
    out a little of what it has heard just before, as here, where the same lines are read five times.)"""
    speech = np.concatenate([whole(audio), whole(audio), whole(audio)[: 18 * RATE]])
    _, segments = await transcribe(whisper, file(tmp_path, speech, pink(600), speech))
    texts = [segment.text for segment in segments]
    assert all(len(set(texts[i : i + 4])) > 1 for i in range(len(texts) - 3))
    length = len(speech) / RATE
    assert not [segment for segment in segments if segment.end > length + 1 and segment.start < length + 599]
    rounds = [*LINES.values()] * 2 + [*LINES.values()][:2]
    said = " ".join(rounds * 2).split()
    assert errors(said, plain(" ".join(texts))) / len(said) <= 0.12


def rounds(words: Sequence[str]) -> int:
    """How many times running the same few words come at most."""
    most = 1
    for size in range(1, 9):
        alike = 0
        for place in range(size, len(words)):
            alike = alike + 1 if words[place] == words[place - size] else 0
            most = max(most, 1 + alike // size)
    return most


async def test_a04_no_loop_over_speech_that_the_model_does_not_know(
    whisper: Engine, audio: Path, tmp_path: Path
) -> None:
    """Speech played backwards goes through as speech, and sends the model round in circles. It is stopped."""
    backwards = whole(audio)[::-1]
    _, segments = await transcribe(whisper, file(tmp_path, backwards), Options(language="en"))
    words = plain(" ".join(segment.text for segment in segments))
    assert words
    assert rounds(words) <= 3


async def test_a04_what_is_really_said_again_is_kept(whisper: Engine, tmp_path: Path) -> None:
    """Somebody who says something five times has said it five times. (The synthetic voice says no two sentences alike:
    a single word such as "No." it sometimes swallows.)"""
    _, segments = await transcribe(whisper, file(tmp_path, say(tmp_path, "Stop it. " * 5)))
    assert plain(" ".join(segment.text for segment in segments)) == ["stop", "it"] * 5


async def test_a05_nothing_ends_behind_the_end(whisper: Engine, audio: Path, tmp_path: Path) -> None:
    """A recording that stops in the middle of a word: `transcribe` has looked at the times."""
    document, segments = await transcribe(whisper, file(tmp_path, whole(audio)[: 13 * RATE]))
    assert document.duration == 13.0
    assert segments[-1].end > 10


@pytest.mark.parametrize("milliseconds", [10, 24, 25])
async def test_a06_a_few_milliseconds_are_no_recording(whisper: Engine, tmp_path: Path, milliseconds: int) -> None:
    """They are refused before any model sees them."""
    with pytest.raises(Permanent) as raised:
        await transcribe(whisper, file(tmp_path, noise(milliseconds / 1000)))
    assert raised.value.code == "empty_audio"


async def test_a06_speech_in_the_last_ten_milliseconds(whisper: Engine, audio: Path, tmp_path: Path) -> None:
    """A recording whose last window is tiny, speech or not, is read to its end."""
    speech = decode(audio / "jfk.flac").samples[int(0.5 * RATE) :][: RATE // 100]
    document, _ = await transcribe(whisper, file(tmp_path, silence(27.99), speech))
    assert document.duration == 28.0


async def test_a07_numbers_have_their_times(whisper: Engine, tmp_path: Path) -> None:
    """A number is a word as any other, also as the first and the last of its sentence."""
    spoken = say(tmp_path, "4711 is my order number and the total is 13.60")
    _, segments = await transcribe(whisper, file(tmp_path, spoken))
    words = [word for segment in segments for word in segment.words]
    assert words[0].text == "4711"
    assert words[-1].text.startswith("13.60")
    assert all(word.end > word.start for word in words)


async def test_a08_the_language_is_guessed_from_speech(whisper: Engine, tmp_path: Path) -> None:
    """Forty seconds of music and silence before the first word say nothing about the language."""
    document, segments = await transcribe(whisper, file(tmp_path, chord(20), silence(20), say(tmp_path, SPANISH, "es")))
    assert document.language == "es"
    assert document.language_score is not None
    assert document.language_score > 0.5
    assert segments[0].start == pytest.approx(40, abs=0.5)
    assert "empresa" in " ".join(segment.text for segment in segments)


async def test_a09_the_second_language_is_not_put_into_the_first(whisper: Engine, tmp_path: Path) -> None:
    """Spanish, then English: each is written as it was spoken, the segments say what they are in, the task says so."""
    spanish, english = say(tmp_path, SPANISH, "es"), say(tmp_path, ENGLISH)
    document, segments = await transcribe(whisper, file(tmp_path, spanish, spanish, silence(1), english, english))
    text = " ".join(segment.text for segment in segments)
    assert ("empresa" in text, "company" in text, "compañía" in text) == (True, True, False)
    assert (segments[0].language, segments[-1].language) == ("es", "en")
    assert [warning.code for warning in document.warnings] == ["mixed_language"]


async def test_a12_memory_stays_flat(audio: Path, tmp_path: Path) -> None:
    """Two hundred jobs later a worker is as large as after the first twenty, give or take a tenth."""
    recogniser = make_engine(asr_settings("whisper-tiny.en", asr_beam_size=1, asr_silence_seconds=0.0))
    recogniser.load()
    path = file(tmp_path, decode(audio / "librivox-0930.wav").samples)
    process = psutil.Process()
    before = 0
    for number in range(200):
        _, segments = await transcribe(recogniser, path)
        assert segments
        if number == 20:
            gc.collect()
            before = process.memory_info().rss
    gc.collect()
    assert process.memory_info().rss < before * 1.1
