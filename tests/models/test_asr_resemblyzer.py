"""Speakers told apart with what the model pack has: real voices, read and spoken by real people."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.asr._resemblyzer import Resemblyzer, VoiceEncoder
from services.asr._speakers import Speakers
from services.asr._voices import Voices
from services.asr.engine import make_engine
from shared.audio import decode
from shared.errors import ModelMissing, SettingsError
from shared.messages import Options, Turn
from shared.models.store import locate
from shared.text.speakers import named
from tests.fakes.recordings import RATE, Sound, write_wave
from tests.fakes.stage import FakeWork
from tests.models.hearing import MODELS, asr_settings, transcribe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAUSE = np.zeros(RATE // 2, np.float32)
READER = tuple(f"librivox-0{number}.wav" for number in (870, 880, 890, 920, 930))
NAME = "resemblyzer"


@pytest.fixture(scope="module")
def folder() -> Path:
    """The model."""
    try:
        return locate(MODELS, NAME)
    except ModelMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def diarizer(folder: Path) -> Resemblyzer:
    """The model, loaded, and what stands around it."""
    diarizer = Resemblyzer(folder.parent, NAME, device="cpu", threads=1, batch_size=8)
    diarizer.load()
    return diarizer


def talk(audio: Path) -> tuple[Sound, list[tuple[str, float, float]]]:
    """A president and a reader of novels in turn, and who speaks from when to when."""
    speech = decode(audio / "jfk.flac").samples
    lines = [decode(audio / name).samples for name in READER]
    turns = [
        ("reader", lines[0]),
        ("president", speech[: 8 * RATE]),
        ("reader", lines[3]),
        ("president", speech[8 * RATE :]),
    ]
    parts: list[Sound] = []
    times: list[tuple[str, float, float]] = []
    for voice, samples in turns:
        begun = sum(map(len, parts)) / RATE
        parts += [samples, PAUSE]
        times.append((voice, begun, begun + len(samples) / RATE))
    return np.concatenate(parts), times


async def heard(diarizer: Resemblyzer, samples: Sound, options: Options | None = None) -> Sequence[Turn]:
    """Who speaks when, heard in pieces of three seconds."""
    speakers = Speakers(FakeWork(options), diarizer)
    for start in range(0, len(samples), 3 * RATE):
        await speakers.hear(None, samples[start : start + 3 * RATE])
    await speakers.hear(None, None)
    return await speakers.turns()


async def test_each_word_has_the_person_who_says_it(folder: Path, audio: Path, tmp_path: Path) -> None:
    """Two people in turn, nobody says how many: all sentences and words at the end."""
    engine = make_engine(asr_settings(asr_diarize_model=folder.name, asr_beam_size=1, worker_threads=1))
    engine.load()
    engine.warm_up()
    about = engine.describe()
    assert about["diarization"] == NAME
    assert {"diarize", "num_speakers", "min_speakers", "max_speakers"} < set(about["follows"])
    samples, times = talk(audio)
    path = write_wave(tmp_path / "talk.wav", samples * 32_767)
    document, segments = await transcribe(engine, path, Options(diarize=True, language="en"))
    assert not document.warnings
    said = [each for segment in named(segments, document.turns) for each in (segment, *segment.words)]
    assert len(said) > 50
    names = {"reader": "SPEAKER_00", "president": "SPEAKER_01"}
    for each in said:
        middle = (each.start + each.end) / 2
        voice = min(times, key=lambda turn: max(turn[1] - middle, middle - turn[2]))[0]
        assert each.speaker == names[voice], each.text


@pytest.mark.parametrize(
    ("options", "expected"),
    [(Options(), 2), (Options(num_speakers=1), 1), (Options(num_speakers=2), 2), (Options(max_speakers=4), 2)],
    ids=["unknown", "one", "two", "at most four"],
)
async def test_the_number_of_speakers_is_found_or_taken(
    diarizer: Resemblyzer, audio: Path, options: Options, expected: int
) -> None:
    """It is what the client says, where it says it."""
    turns = await heard(diarizer, talk(audio)[0], options)
    assert len({turn.speaker for turn in turns}) == expected


async def test_one_person_stays_one(diarizer: Resemblyzer, audio: Path) -> None:
    """A reader, with pauses and three times as loud in the middle, is not taken for several."""
    lines = [part for name in READER for part in (decode(audio / name).samples, PAUSE)]
    read = np.concatenate(lines)
    turns = await heard(diarizer, np.concatenate([read, read * 3, read]))
    assert {turn.speaker for turn in turns} == {"SPEAKER_00"}
    assert sum(turn.end - turn.start for turn in turns) > 60


@pytest.mark.parametrize(("seconds", "persons"), [(100, 2), (1200, 1)], ids=["short", "long"])
def test_strays_of_a_long_recording_are_nobody(diarizer: Resemblyzer, seconds: int, persons: int) -> None:
    """Fifteen prints that are unlike the others are a second person among a hundred, and none among a thousand."""
    active = np.zeros((293, 3), np.bool_)
    active[:, 0] = True
    voices: list[Voices] = []
    for number in range(seconds):
        prints = np.full((3, 256), np.nan, np.float32)
        prints[0] = np.eye(256)[int(number % (seconds // 15) == 0 and number < 15 * (seconds // 15))]
        voices.append(Voices(active.astype(np.float16), active, prints))
    found = diarizer.tell_apart(voices, least=None, most=None)
    assert len(set(found[:, 0].tolist())) == persons


def test_a_voice_is_known_by_what_it_is_like(folder: Path, audio: Path) -> None:
    """Prints of one person are nearer to each other than to another's, whatever is said, however loud, and whoever
    speaks besides; there is none of what is too short."""
    encoder = VoiceEncoder(folder / "pretrained.pt", device="cpu")
    torch: Any = pytest.importorskip("torch")
    speech = decode(audio / "jfk.flac").samples
    reader = decode(audio / READER[0]).samples
    rows = [speech[: 3 * RATE], speech[-3 * RATE :], reader[: 3 * RATE], reader[-3 * RATE :], reader[: 3 * RATE] / 20]
    masks = torch.ones(len(rows), 300)
    prints = encoder(torch.from_numpy(np.stack(rows)[:, None]), masks)
    alike = prints @ prints.T
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max() + 0.1
    assert alike[2, 4] == pytest.approx(1.0, abs=1e-3)
    both = torch.from_numpy(np.concatenate([rows[0], rows[3]])[None, None])
    first = torch.arange(600)[None] < 300
    assert encoder(both, first)[0] @ prints[0] > 0.95 > encoder(both, ~first)[0] @ prints[0]
    assert encoder(both, ~first)[0] @ prints[3] > 0.95
    masks[:, 40:] = 0
    assert np.isnan(encoder(torch.from_numpy(np.stack(rows)[:, None]), masks)).all()


def test_nothing_is_said_while_it_loads(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What libraries advise is not for those who run a worker, whose log has lines of one form only."""
    with caplog.at_level("INFO"):
        Resemblyzer(folder.parent, NAME, device="cpu", threads=1, batch_size=1).load()
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_weights_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    """One of the pack is to be pulled again; of another the folder is named."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "pretrained.pt").write_bytes(b"weights")
    with pytest.raises(SettingsError, match=rf"^ASR_DIARIZE_MODEL: cannot load {mine}"):
        Resemblyzer(tmp_path, str(mine), device="cpu", threads=1, batch_size=1).load()
    damaged = shutil.copytree(folder, tmp_path / NAME)
    (damaged / "pretrained.pt").write_bytes(bytes((damaged / "pretrained.pt").stat().st_size))
    with pytest.raises(ModelMissing, match=f"voxmesh models pull {NAME}"):
        Resemblyzer(tmp_path, NAME, device="cpu", threads=1, batch_size=1).load()
