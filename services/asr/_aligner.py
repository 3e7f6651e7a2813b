"""Word times from a wav2vec2 model, by `whisperx.align`: exact to some 20 ms, where Whisper's own are to some 100 ms.

The texts are Whisper's and stay as they are: the aligner tells when each word was said. Where it cannot, because its
model does not know the letters of a word or the text does not fit the sound, the times are guessed and marked so.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from services.asr._clips import RATE, Samples
from shared.errors import ModelMissing
from shared.messages import Word

_BY_CHARACTER = ("ja", "zh")
"""What WhisperX aligns character by character."""


class _Whole:
    """The text as one sentence. WhisperX's splitter would bring its data from the network, and sentences are ours."""

    def __init__(self, _: str) -> None:
        """Takes the place of the function that loads a splitter by its name."""

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


class Aligner:
    """The models for some languages."""

    def __init__(self, folders: Mapping[str, Path], *, device: str, threads: int) -> None:
        """`folders` has the model of each language (ISO 639), as transformers saves a `Wav2Vec2ForCTC`. torch would
        take a thread for each processor of the machine, whatever the container's quota."""
        self._folders = folders
        self._device = device
        self._threads = threads
        self._models: dict[str, tuple[Any, Any]] = {}
        self._alignment: Any = None

    @property
    def languages(self) -> list[str]:
        """What it aligns."""
        return sorted(self._folders)

    def load(self) -> None:
        """Load all models. Raises `ModelMissing` naming the folder that holds none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._alignment = import_module("whisperx.alignment")
            import_module("torch").set_num_threads(self._threads)
        self._alignment.nltk_load = _Whole
        for language, folder in self._folders.items():
            if not (folder / "config.json").is_file():
                raise ModelMissing(f"ASR_ALIGN_MODELS: there is no wav2vec2 model in {folder}")
            self._models[language] = self._alignment.load_align_model(
                language, self._device, model_name=str(folder), model_cache_only=True
            )

    def align(self, samples: Samples, words: Sequence[Word], language: str) -> Sequence[Word]:
        """`words` of the clip with better times; as they are where there is no model for `language`."""
        if language not in self._models or not words:
            return words
        model, metadata = self._models[language]
        text = ("" if language in _BY_CHARACTER else " ").join(word.text.strip() for word in words)
        segment = {"text": text, "start": 0.0, "end": len(samples) / RATE}
        found = self._alignment.align([segment], model, metadata, samples, self._device)["word_segments"]
        return retimed(words, found, letters=frozenset(metadata["dictionary"]), by_character=language in _BY_CHARACTER)


def retimed(
    words: Sequence[Word], found: Sequence[Mapping[str, Any]], *, letters: frozenset[str], by_character: bool = False
) -> Sequence[Word]:
    """`words` with the times that the aligner has `found` for them, in order: for each word, or for each character.

    A word for which it has none, or that has no letter of `letters`, so that it was placed where there was room, is
    marked as interpolated. When the aligner has found something else than the words, they stay as they are."""
    sizes = [len(word.text.strip()) if by_character else 1 for word in words]
    if sum(sizes) != len(found):
        return words
    timed: list[Word] = []
    for word, size in zip(words, sizes, strict=True):
        parts, found = found[:size], found[size:]
        starts = [part["start"] for part in parts if "start" in part and "score" in part]
        ends = [part["end"] for part in parts if "end" in part and "score" in part]
        scores = [part["score"] for part in parts if "score" in part]
        known = bool(starts and ends) and any(letter.lower() in letters for letter in word.text.strip())
        timed.append(
            msgspec.structs.replace(
                word,
                start=float(starts[0]) if starts and ends else -1.0,
                end=float(ends[-1]) if starts and ends else -1.0,
                score=min(1.0, max(0.0, float(min(scores)))) if known else word.score,
                interpolated=not known,
            )
        )
    return _filled(words, timed)


def _filled(words: Sequence[Word], timed: Sequence[Word]) -> Sequence[Word]:
    """`timed`, where words without a time (below 0) share what lies between their neighbours."""
    whole = list(timed)
    bare = [place for place, word in enumerate(whole) if word.start < 0]
    for first, last in _runs(bare):
        left = whole[first - 1].end if first else min(words[0].start, _first_start(whole))
        right = whole[last + 1].start if last + 1 < len(whole) else max(words[-1].end, left)
        step = max(0.0, right - left) / (last - first + 1)
        for place in range(first, last + 1):
            start = left + step * (place - first)
            whole[place] = msgspec.structs.replace(whole[place], start=start, end=start + step)
    return whole


def _first_start(words: Sequence[Word]) -> float:
    return min((word.start for word in words if word.start >= 0), default=float("inf"))


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers that follow each other."""
    if not places:
        return []
    breaks = [place for place, (one, other) in enumerate(pairwise(places), 1) if other != one + 1]
    edges = [0, *breaks, len(places)]
    return [(places[first], places[end - 1]) for first, end in pairwise(edges)]
