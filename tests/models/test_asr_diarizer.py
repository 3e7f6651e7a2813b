"""Speakers told apart by pyannote.audio: its real segmentation, and a print of voices that is fitted to those here."""

import tracemalloc
import warnings
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.asr._diarizer import Pyannote
from services.asr._speakers import Speakers
from services.asr._voices import NOBODY, Voices
from services.asr.engine import make_engine
from shared.errors import ModelMissing, SettingsError
from shared.messages import Options, Turn
from shared.text.speakers import named
from tests.fakes.recordings import RATE, Sound, write_wave
from tests.fakes.stage import FakeWork
from tests.fakes.tiny_voices import pipeline_of
from tests.fakes.voice import say
from tests.models.hearing import asr_settings, transcribe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BO, ANA, CY = "en-us+m3", "en-us+f4", "en-us+Andy"
KNOWN = (
    "The quick brown fox jumps over the lazy dog, and nobody knows why it did so that day. "
    "She sells sea shells on the sea shore, but the shells she sells are not from there at all."
)
"""What the voices were heard saying when the model was made."""
TALK = (
    (BO, "Good morning everybody. Today we talk about the new bridge over the river."),
    (ANA, "Thank you. I have seen the plans and I have two or three questions about them."),
    (BO, "Please ask them, we have all the time in the world today."),
    (ANA, "Who pays for it? And when will it be finished?"),
)
ONSET = 0.5
PAUSE = np.zeros(RATE // 2, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline."""
    folder = tmp_path_factory.mktemp("diarization")
    return pipeline_of(folder / "pipeline", [say(folder, KNOWN, voice) for voice in (BO, ANA, CY)])


@pytest.fixture(scope="module")
def diarizer(folder: Path) -> Pyannote:
    """The pipeline, loaded."""
    diarizer = Pyannote(folder, str(folder), device="cpu", threads=1, batch_size=8)
    diarizer.load()
    return diarizer


class Plain:
    """Compares prints as they are, where a pipeline may bring a PLDA."""

    phi = np.ones(3)

    def __call__(self, prints: Any) -> Any:
        return prints


def spoken(folder: Path, talk: Sequence[tuple[str, str]]) -> tuple[Sound, list[tuple[str, float, float]]]:
    """The talk, half a second between two turns, and who speaks from when to when."""
    parts: list[Sound] = []
    times: list[tuple[str, float, float]] = []
    for voice, text in talk:
        begun = sum(map(len, parts)) / RATE
        parts += [say(folder, text, voice), PAUSE]
        times.append((voice, begun, begun + len(parts[-2]) / RATE))
    return np.concatenate(parts), times


async def heard(diarizer: Pyannote, samples: Sound, options: Options | None = None) -> tuple[Turn, ...]:
    """Who speaks when, heard in pieces of three seconds."""
    speakers = Speakers(FakeWork(options), diarizer)
    for start in range(0, len(samples), 3 * RATE):
        await speakers.hear(None, samples[start : start + 3 * RATE])
    await speakers.hear(None, None)
    return await speakers.turns()


def who(turns: Sequence[Turn]) -> list[str]:
    """The speakers, each once for what they say without another."""
    names = [turn.speaker for turn in turns]
    return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


async def test_each_word_has_the_speaker_who_says_it(folder: Path, tmp_path: Path) -> None:
    """Two voices in turn, through the whole engine: all sentences and words, while it is heard and at its end."""
    engine = make_engine(asr_settings(asr_diarize_model=str(folder), asr_beam_size=1, worker_threads=1))
    engine.load()
    engine.warm_up()
    about = engine.describe()
    assert about["diarization"] == "pipeline"
    assert {"diarize", "num_speakers", "min_speakers", "max_speakers"} < set(about["follows"])
    samples, times = spoken(tmp_path, TALK)
    path = write_wave(tmp_path / "talk.wav", samples * 32_767)
    document, segments = await transcribe(engine, path, Options(diarize=True, language="en"))
    assert not document.warnings
    names = {BO: "SPEAKER_00", ANA: "SPEAKER_01"}
    for spoken_now in (segments, named(segments, document.turns)):
        said = [each for segment in spoken_now for each in (segment, *segment.words)]
        assert len(said) > 40
        for each in said:
            middle = (each.start + each.end) / 2
            voice = min(times, key=lambda turn: max(turn[1] - middle, middle - turn[2]))[0]
            assert each.speaker == names[voice], each.text


async def test_turns_are_as_exact_as_pyannote_itself(diarizer: Pyannote, tmp_path: Path) -> None:
    """In pieces, its parts say what the pipeline says about the whole."""
    samples, times = spoken(tmp_path, TALK[:2])
    turns = await heard(diarizer, samples)
    assert who(turns) == ["SPEAKER_00", "SPEAKER_01"]
    for _, start, end in times:
        assert any(abs(turn.start - start) < 0.3 for turn in turns)
        assert any(abs(turn.end - end) < 0.5 for turn in turns)
    torch: Any = import_module("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of voices that are silent, whose prints it makes as well
        whole = diarizer.pipeline({"waveform": torch.from_numpy(samples[None]), "sample_rate": RATE, "uri": "talk"})
    theirs = [*whole.exclusive_speaker_diarization.itertracks(yield_label=True)]
    assert [turn.speaker for turn in turns] == [name for _, _, name in theirs]
    assert [turn.start for turn in turns] == pytest.approx([turn.start for turn, _, _ in theirs], abs=0.05)
    ends = [min(turn.end, len(samples) / RATE) for turn, _, _ in theirs]  # pyannote's may lie behind the recording
    assert [turn.end for turn in turns] == pytest.approx(ends, abs=0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), 3),
        (Options(num_speakers=3), 3),
        (Options(max_speakers=2), 2),
        (Options(num_speakers=1), 1),
    ],
    ids=["nothing known", "three", "at most two", "one"],
)
async def test_a_known_number_of_speakers_is_kept_to(
    diarizer: Pyannote, tmp_path: Path, options: Options, expected: int
) -> None:
    """Three people speak; with fewer than that, those who sound alike are one."""
    samples, times = spoken(tmp_path, [(ANA, TALK[0][1]), (CY, TALK[1][1]), (BO, TALK[2][1])])
    turns = await heard(diarizer, samples, options)
    middles = [(start + end) / 2 for _, start, end in times]
    found = [next(turn.speaker for turn in turns if turn.start < middle < turn.end) for middle in middles]
    assert len({turn.speaker for turn in turns}) == len(set(found)) == expected
    assert found[0] == "SPEAKER_00"


async def test_a_voice_is_known_again_on_the_other_channel(diarizer: Pyannote, tmp_path: Path) -> None:
    """Ana answers Bo, then takes his telephone."""
    first, second, third = (
        say(tmp_path, text, voice) for voice, text in ((BO, TALK[0][1]), (ANA, TALK[1][1]), TALK[3])
    )
    speakers = Speakers(FakeWork(), diarizer)
    for number, parts in ((0, (first, np.zeros_like(second), third)), (1, (np.zeros_like(first), second, third * 0))):
        await speakers.hear(number, np.concatenate(parts))
        await speakers.hear(number, None)
    turns = await speakers.turns()
    assert who([turn for turn in turns if turn.channel == 0]) == ["SPEAKER_00", "SPEAKER_01"]
    assert who([turn for turn in turns if turn.channel == 1]) == ["SPEAKER_01"]


def test_hours_are_compared_in_seconds(diarizer: Pyannote) -> None:
    """Of a recording with more voices than can be compared each with each, all find their persons; that takes no more
    memory than it may, and what is kept of an hour are some megabytes."""
    windows, random = 6_000, np.random.default_rng(1)
    scores = np.zeros((293, 3), np.float16)
    scores[20:270, 1] = 1.0
    people = np.arange(windows) // 40 % 3
    prints = np.full((windows, 3, 192), np.nan, np.float32)
    prints[:, 1] = random.normal(0, 1, (3, 192))[people] + random.normal(0, 0.5, (windows, 192))
    voices = [Voices(scores.copy(), scores > ONSET, own) for own in prints]
    tracemalloc.start()
    persons = diarizer.tell_apart(voices, least=None, most=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    assert (persons[:, [0, 2]] == NOBODY).all()
    assert len({(int(person), int(found)) for person, found in zip(people, persons[:, 1], strict=True)}) == 3
    sizes = sum(each.nbytes for window in voices for each in (window.scores, window.active, window.prints))
    assert sizes / windows * 3_600 * RATE / diarizer.step < 40e6


def test_more_speakers_may_be_expected_than_are_heard(folder: Path) -> None:
    """By every clustering: a recording of five people may be too short to hear them all."""
    diarizer = Pyannote(folder, str(folder), device="cpu", threads=1, batch_size=8)
    diarizer.load()
    vbx = import_module("pyannote.audio.pipelines.clustering").VBxClustering(plda=Plain())
    clusterings = (diarizer.pipeline.clustering, vbx.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}))
    active = np.zeros((293, 3), np.bool_)
    active[:, 0] = True
    prints = np.full((3, 3, 3), np.nan, np.float32)
    prints[:, 0] = np.eye(3)
    voices = [Voices(active.astype(np.float16), active, own) for own in prints]
    for clustering in clusterings:
        diarizer.pipeline.clustering = clustering
        assert len({*diarizer.tell_apart(voices, least=5, most=5)[:, 0].tolist()}) == 3


@pytest.mark.parametrize("seconds", [0.5, 12.0])
async def test_nobody_speaks_in_silence(diarizer: Pyannote, seconds: float) -> None:
    """However short the recording is; and asking for a number of speakers does not make any."""
    assert await heard(diarizer, np.zeros(int(seconds * RATE), np.float32), Options(num_speakers=2)) == ()


async def test_one_word_has_one_speaker(diarizer: Pyannote, tmp_path: Path) -> None:
    """Too little to compare is still said by somebody."""
    turns = await heard(diarizer, np.concatenate([PAUSE, say(tmp_path, "Hello!", BO), PAUSE]))
    assert {turn.speaker for turn in turns} == {"SPEAKER_00"}
    assert max(turn.end for turn in turns) <= 2 * len(PAUSE) / RATE + 1


def changed(folder: Path, copy: Path, old: str, new: str) -> Pyannote:
    """The pipeline with other words in its configuration."""
    copy.mkdir()
    for part in ("segmentation", "embedding"):
        (copy / part).symlink_to(folder / part)
    text = (folder / "config.yaml").read_text()
    assert old in text
    (copy / "config.yaml").write_text(text.replace(old, new))
    return Pyannote(copy, str(copy), device="cpu", threads=1, batch_size=8)


def test_a_pause_in_which_another_speaks_stays_open(folder: Path, tmp_path: Path) -> None:
    """A pipeline may close the pauses of a speaker; nobody's turn lies over another's all the same."""
    diarizer = changed(folder, tmp_path / "patient", "min_duration_off: 0.0", "min_duration_off: 2.0")
    diarizer.load()
    active = np.zeros((293, 3), np.bool_)
    for voice, first, behind in ((0, 0, 100), (1, 130, 150), (0, 180, 230), (0, 260, 293)):
        active[first:behind, voice] = True
    voices = Voices(active.astype(np.float16), active, np.full((3, 192), np.nan, np.float32))
    spells = diarizer.spells([voices], np.array([[0, 1, NOBODY]]))
    assert [spell.person for spell in spells] == [0, 1, 0]
    assert all(one.end <= other.start for one, other in pairwise(spells))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$model/embedding", "pyannote/wespeaker-voxceleb", "voxmesh models pull pyannote/wespeaker-voxceleb"),
        ("$model/embedding", "$model/elsewhere", "elsewhere is missing"),
        ("embedding_exclude_overlap: true", "plda: $model/plda", "plda is missing"),
    ],
    ids=["a model of a hub", "a folder", "a part that is not used"],
)
def test_what_is_not_there_is_named(folder: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    """In one line with the setting; nothing is ever looked for on a hub."""
    with pytest.raises(ModelMissing, match=f"ASR_DIARIZE_MODEL.*{said}|{said}"):
        changed(folder, tmp_path / "copy", old, new).load()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("AgglomerativeClustering", "KMeansClustering", "clustering is to be one of"),
        ("AgglomerativeClustering", "VBxClustering", "needs a plda"),
        ("pipeline:", "something:", "is not that of a pipeline"),
        ("pipeline:", "pipeline: [", "is not that of a pipeline"),
        ("SpeakerDiarization", "VoiceActivityDetection", "cannot load"),
    ],
    ids=["needs a number", "needs more", "no pipeline", "no YAML", "another pipeline"],
)
def test_what_cannot_tell_speakers_apart_is_refused(
    folder: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    """With the reason."""
    with pytest.raises(SettingsError, match=f"^ASR_DIARIZE_MODEL: .*{said}"):
        changed(folder, tmp_path / "copy", old, new).load()


def test_a_folder_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    """It says which file it looks for."""
    with pytest.raises(ModelMissing, match=r"^ASR_DIARIZE_MODEL: .*config\.yaml"):
        Pyannote(tmp_path, str(tmp_path), device="cpu", threads=1, batch_size=8).load()
