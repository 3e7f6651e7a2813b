"""`whisperx.align` with a model that the test teaches its letters: each is a tone, and so each word's time is known."""

import json
import random
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.asr._aligner import Aligner
from shared.errors import ModelMissing
from shared.messages import Word
from tests.fakes.recordings import RATE, Sound

torch: Any = import_module("torch")
transformers: Any = import_module("transformers")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LETTERS = "abcdefgh"
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4} | {letter: 5 + i for i, letter in enumerate(LETTERS)}
TONE, GAP, PAUSE = 0.02, 0.06, 0.30
"""Seconds of a letter, of the silence behind it, and of that at both ends."""
FRAME = 320


def tone(character: str) -> Sound:
    """A letter, or `|` for the space between two words."""
    hertz = 250 + 170 * (VOCABULARY[character] - VOCABULARY["|"])
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(int(TONE * RATE)) / RATE)).astype(np.float32)


def sung(words: Sequence[str]) -> tuple[Sound, list[tuple[float, float]], list[int]]:
    """The words as sound, when each begins and ends, and what is heard in each frame of 20 ms: the aligner wants each
    letter in one frame, as wav2vec2 hears it."""
    gap, pieces, heard = np.zeros(int(GAP * RATE), np.float32), [np.zeros(int(PAUSE * RATE), np.float32)], list[int]()
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for character, word in [(letter, place) for place, own in enumerate(words) for letter in (*own, "|")][:-1]:
        begin = sum(map(len, pieces))
        pieces += [tone(character), gap]
        heard += [0] * (begin // FRAME - len(heard)) + [VOCABULARY[character]] * int(TONE * RATE / FRAME)
        if character != "|":
            starts.setdefault(word, begin)
            ends[word] = begin + int(TONE * RATE)
    pieces.append(np.zeros(int(PAUSE * RATE), np.float32))
    samples = np.concatenate(pieces)
    heard += [0] * (len(samples) // FRAME - len(heard))
    return samples, [(starts[i] / RATE, ends[i] / RATE) for i in range(len(words))], heard


def taught() -> Any:
    """A tiny wav2vec2 that has heard a few hundred words of tones."""
    torch.manual_seed(1)
    chance = random.Random(1)
    model = transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(
            vocab_size=len(VOCABULARY),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            conv_dim=(32, 32),
            conv_kernel=(400, 2),
            conv_stride=(160, 2),
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            apply_spec_augment=False,
            hidden_dropout=0.0,
            final_dropout=0.0,
            layerdrop=0.0,
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        words = ["".join(chance.choices(LETTERS, k=chance.randint(1, 5))) for _ in range(12)]
        samples, _, heard = sung(words)
        logits = model(torch.from_numpy(samples)[None]).logits[0]
        target = torch.tensor(heard[: len(logits)])
        loss = torch.nn.functional.cross_entropy(logits[: len(target)], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as transformers saves it."""
    folder = tmp_path_factory.mktemp("wav2vec2")
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    transformers.Wav2Vec2Processor(transformers.Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the model is so small that two would only wait for each other
    taught().save_pretrained(folder)
    torch.set_num_threads(threads)
    return folder


def test_words_are_timed_by_what_is_heard(folder: Path) -> None:
    """Whatever Whisper thought of their times, they are right to a few hundredths of a second; a word in letters that
    the model never saw lies between its neighbours and says that it was guessed."""
    aligner = Aligner({"en": folder}, device="cpu", threads=1)
    aligner.load()
    assert (aligner.languages, torch.get_num_threads()) == (["en"], 1)
    said = ["bad", "cafe", "4711", "head", "egg"]
    samples, times, _ = sung([word if word.isalpha() else "gag" for word in said])
    vague = [Word(text=f" {word.capitalize()}", start=0.0, end=len(samples) / RATE, score=0.5) for word in said]
    words = aligner.align(samples, vague, "en")
    assert [word.text for word in words] == [word.text for word in vague]
    assert [word.interpolated for word in words] == [False, False, True, False, False]
    for word, (start, end) in zip(words, times, strict=True):
        if not word.interpolated:
            assert word.start == pytest.approx(start, abs=0.05)
            assert end - 0.05 <= word.end <= end + GAP + PAUSE  # it lasts until the next sound, or the end
    assert words[1].end <= words[2].start <= words[2].end <= words[3].start
    assert aligner.align(samples, vague, "pt") == vague


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """The worker ends with one line that says which setting is wrong."""
    with pytest.raises(ModelMissing, match="ASR_ALIGN_MODELS"):
        Aligner({"en": tmp_path}, device="cpu", threads=1).load()
