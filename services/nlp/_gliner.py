"""Named entities by GLiNER: any label, in any text."""

import json
import re
import tempfile
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from services.nlp._torch import computed, folder_of, listed_languages, loading, room
from services.nlp.protocol import Found
from services.nlp.settings import Settings
from shared.inference.portions import Portions
from shared.models.store import find

VARIABLE = "NLP_ENTITIES_MODEL"

_DRAWN = re.compile(r"([^\w\s])\1{9,}")
"""A line that is drawn: each sign would count as a word, and a page of them take minutes."""
_MOST_LABELS = 25
"""Labels that a model is asked for at a time: as many as it was trained with."""


class _Word(msgspec.Struct, frozen=True):
    start: int
    end: int
    tokens: int


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """`text[start:end]` is read; an entity counts when it begins in `own_start` to `own_end`."""

    text: int
    start: int
    end: int
    own_start: int
    own_end: int


class GlinerEntities:
    """A GLiNER model. It reads labels in lower case, whatever case the caller gives them.

    Text is read in windows that overlap. Each window answers for the entities that begin in its own part, which ends
    half an overlap before the window does: so none is cut at an edge, none is found twice, and one that is there twice
    is.
    """

    labels = ()

    def __init__(self, settings: Settings) -> None:
        self.languages = listed_languages(settings.nlp_entities_languages)
        self._settings = settings
        self._model: Any = None
        self._tokenizer: Any = None
        self._room = 0
        self._portions = Portions(settings.nlp_batch_size)

    def load(self) -> None:
        folder = folder_of(self._settings, variable=VARIABLE)
        with loading(self._settings, variable=VARIABLE), _whole(folder, self._settings.models_dir) as whole:
            import gliner

            library: Any = gliner
            self._model = library.GLiNER.from_pretrained(
                str(whole), local_files_only=True, map_location=self._settings.nlp_device
            ).eval()
        self._tokenizer = self._model.data_processor.transformer_tokenizer
        self._room = room(self._tokenizer, self._model.config.encoder_config)

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "gliner",
            "model": Path(self._settings.nlp_entities_model).name,
            "languages": list(self.languages),
            "labels": [],
            "device": self._settings.nlp_device,
        }

    def finds(self, label: str) -> bool:
        return bool(label.strip())

    def find(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[Found]]:
        read = [_DRAWN.sub(lambda drawn: " " * len(drawn[0]), text) for text in texts]
        found: list[list[Found]] = [[] for _ in texts]
        for group, places in self._groups(labels):
            for window, entity in self._entities(read, list(group), places):
                start = window.start + entity["start"]
                if window.own_start <= start < window.own_end:
                    end, score = window.start + entity["end"], round(float(entity["score"]), 4)
                    found[window.text].append(Found(start=start, end=end, label=group[entity["label"]], score=score))
        return [_apart(each) for each in found]

    def _groups(self, labels: Sequence[str]) -> Iterator[tuple[dict[str, str], int]]:
        """Labels that are asked for together, each as the model reads it with the caller's form; and how many tokens
        are left for the text. Labels may take half of the room."""
        group: dict[str, str] = {}
        taken = 0
        for label in labels:
            name = " ".join(label.lower().split())
            size = len(self._tokenizer.tokenize(name)) + 1
            if group and (taken + size > self._room // 2 or len(group) == _MOST_LABELS):
                yield group, self._room - taken - 3
                group, taken = {}, 0
            group[name] = label
            taken += size
        if group:
            yield group, self._room - taken - 3

    def _entities(
        self, texts: Sequence[str], labels: list[str], places: int
    ) -> Iterator[tuple[_Window, dict[str, Any]]]:
        """What the model finds in each window."""
        windows = [window for number, text in enumerate(texts) for window in self._windows(number, text, places)]

        def read(batch: Sequence[_Window]) -> Sequence[Sequence[dict[str, Any]]]:
            return self._model.inference(
                [texts[window.text][window.start : window.end] for window in batch],
                labels,
                threshold=self._settings.nlp_entities_threshold,
                batch_size=len(batch),
            )

        answers = computed(read, windows, portions=self._portions, weight=lambda window: window.end - window.start)
        for window, entities in zip(windows, answers, strict=True):
            for entity in entities:
                yield window, entity

    def _windows(self, number: int, text: str, places: int) -> Iterator[_Window]:
        words = self._words(text)
        overlap = 2 * self._model.config.max_width
        bounds = list(_bounds(words, most=self._model.config.max_len, places=places, overlap=overlap))
        # Where one window stops answering and the next begins: the middle of their overlap.
        edges = [0, *(words[(begins + ends) // 2].start for (_, ends), (begins, _) in pairwise(bounds)), len(text)]
        for (first, last), (own_start, own_end) in zip(bounds, pairwise(edges), strict=bool(bounds)):
            start, end = words[first].start, words[last - 1].end
            yield _Window(text=number, start=start, end=end, own_start=own_start, own_end=own_end)

    def _words(self, text: str) -> list[_Word]:
        """The words as the model's own splitter sees them."""
        split = list(self._model.data_processor.words_splitter(text))
        if not split:
            return []
        pieces = self._tokenizer([[word] for word, *_ in split], is_split_into_words=True, add_special_tokens=False)
        return [
            _Word(start, end, len(tokens)) for (_, start, end), tokens in zip(split, pieces["input_ids"], strict=True)
        ]


def _bounds(words: Sequence[_Word], *, most: int, places: int, overlap: int) -> Iterator[tuple[int, int]]:
    """First and last word (that one exclusive) of each window: at most `most` words of at most `places` tokens. A word
    that alone has more is in none. Two neighbours share `overlap` words where there is as much room."""
    start = 0
    while start < len(words):
        end, taken = start, 0
        while end < len(words) and end - start < most and taken + words[end].tokens <= places:
            taken += words[end].tokens
            end += 1
        if end > start:
            yield start, end
        if end == len(words):
            return
        start = end + 1 if words[end].tokens > places else max(end - overlap, (start + end) // 2 + 1)


def _apart(found: Sequence[Found]) -> list[Found]:
    """Without those that overlap one of which the model is more certain (or as certain, and it is longer), in order."""
    kept: list[Found] = []
    for entity in sorted(found, key=lambda each: (-each.score, each.start - each.end, each.start)):
        place = bisect_left(kept, entity.start, key=lambda each: each.start)
        before, behind = kept[max(place - 1, 0) : place], kept[place : place + 1]
        if all(each.end <= entity.start for each in before) and all(entity.end <= each.start for each in behind):
            kept.insert(place, entity)
    return kept


@contextmanager
def _whole(folder: Path, models_dir: Path) -> Generator[Path]:
    """The folder with all that the library looks for. Many published models leave out tokenizer and configuration of
    the encoder that they were made from, and only name it; that one is then looked for among the models, too."""
    named = folder / "gliner_config.json"
    config: dict[str, Any] = json.loads(named.read_text("utf-8")) if named.is_file() else {}
    tokenizes = (folder / "tokenizer_config.json").is_file()
    wanted = [
        (name, str(config[name]))
        for name, own, needed in (
            ("model_name", "encoder_config", not tokenizes),
            ("labels_encoder", "labels_encoder_config", False),
        )
        if config.get(name) and (needed or not config.get(own))
    ]
    if not wanted:
        yield folder
        return
    encoders = {name: str(find(models_dir, encoder, variable=VARIABLE)) for name, encoder in wanted}
    with tempfile.TemporaryDirectory() as own:
        for path in folder.iterdir():
            if path != named:
                (Path(own) / path.name).symlink_to(path.resolve())
        (Path(own) / named.name).write_text(json.dumps(config | encoders), "utf-8")
        yield Path(own)
