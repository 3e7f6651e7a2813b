"""Named entities by spaCy."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.nlp.protocol import Found
from services.nlp.settings import Settings
from shared.inference.device import give_way
from shared.models.store import locate

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

WINDOW = 10_000
"""Characters that the model reads at once. It takes 10 kB of memory for each, and refuses a million."""


class SpacyEntities:
    """spaCy's `en_core_web_sm`: the kinds of entity that it was trained on, in English.

    Its parser gives no probabilities, so the `score` of all that it finds is 1.0. Like most such models it goes by
    capital letters: a transcript without any has few entities.
    """

    languages = ("en",)
    kinds: Mapping[str, frozenset[str]] = {
        "person": frozenset({"PERSON"}),
        "organization": frozenset({"ORG"}),
        "location": frozenset({"GPE", "LOC", "FAC"}),
        "date": frozenset({"DATE"}),
        "time": frozenset({"TIME"}),
        "money": frozenset({"MONEY"}),
        "percentage": frozenset({"PERCENT"}),
        "product": frozenset({"PRODUCT"}),
        "event": frozenset({"EVENT"}),
        "nationality": frozenset({"NORP"}),
        "language": frozenset({"LANGUAGE"}),
        "law": frozenset({"LAW"}),
        "work of art": frozenset({"WORK_OF_ART"}),
        "quantity": frozenset({"QUANTITY"}),
        "number": frozenset({"CARDINAL"}),
        "ordinal": frozenset({"ORDINAL"}),
    }
    labels = tuple(kinds)
    _aliases: Mapping[str, str] = {
        "people": "person",
        "organisation": "organization",
        "place": "location",
        "percent": "percentage",
    }
    # spaCy's tokenizer takes time that grows with the square of a word's length: 10,000 signs take half a minute.
    _overlong = re.compile(r"\S{100,}")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: Language | None = None

    def load(self) -> None:
        path = locate(self._settings.models_dir, "spacy-en-core-web-sm")
        import spacy

        self._model = spacy.load(path, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer", "senter"])

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "embedded",
            "model": "en_core_web_sm",
            "languages": list(self.languages),
            "labels": list(self.labels),
        }

    def finds(self, label: str) -> bool:
        return bool(self._tags(label))

    def find(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[Found]]:
        assert self._model is not None
        wanted = {tag: label for label in reversed(labels) for tag in self._tags(label)}
        windows = [(number, offset, window) for number, text in enumerate(texts) for offset, window in _windows(text)]
        readable = (self._overlong.sub(lambda word: " " * len(word[0]), window) for *_, window in windows)
        found: list[list[Found]] = [[] for _ in texts]
        # Without it the model would keep each word that it has ever read.
        with self._model.memory_zone():  # pyright: ignore[reportUnknownMemberType]
            for (number, offset, _), doc in zip(windows, self._model.pipe(readable), strict=True):
                give_way()
                found[number] += _found(doc, wanted, offset)
        return found

    def _tags(self, label: str) -> frozenset[str]:
        name = label.strip().casefold()
        return self.kinds.get(self._aliases.get(name, name), frozenset())


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Pieces of `text` that are safe to read at once, with their offsets, cut between sentences where there are any:
    so no name is cut in two, and none is found twice."""
    start = 0
    while len(text) - start > WINDOW:
        piece = text[start : start + WINDOW]
        end = max(piece.rfind(mark) for mark in (". ", "? ", "! ", "\n")) + 1 or piece.rfind(" ") + 1 or WINDOW
        yield start, piece[:end]
        start += end
    yield start, text[start:]


def _found(doc: "Doc", wanted: Mapping[str, str], offset: int) -> list[Found]:
    """The entities of `doc` whose tag is wanted, without the blanks at their ends that the model sometimes takes in."""
    found: list[Found] = []
    for entity in doc.ents:
        text = entity.text
        start = entity.start_char + len(text) - len(text.lstrip())
        end = entity.start_char + len(text.rstrip())
        if entity.label_ in wanted and start < end:
            label = wanted[entity.label_]
            found.append(Found(start=offset + start, end=offset + end, label=label, score=1.0))
    return found
