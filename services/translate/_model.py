"""One model for CTranslate2 in its folder: what it translates, how it wants to be asked, and what it answers.

A model ends a translation by saying so. One that does not within three times the length of what it was asked goes
round in circles: it is asked again with repetition forbidden, and should that not help either, it has no answer.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.translate import _order
from services.translate._faithful import loops
from services.translate._folder import told_pair, vocabulary
from services.translate._order import VARIABLE, Order
from services.translate._parts import WITHOUT_SPACES, glue, parts
from services.translate._spelling import spelled
from services.translate._tongues import Tag
from services.translate.protocol import Pair
from services.translate.settings import Settings
from shared.errors import MeshError, ModelMissing, SettingsError
from shared.inference.portions import Portions
from shared.models import store

MOST_PIECES = 200
"""Pieces of words that a model is asked at a time: what it has seen in training, and fewer than it has places for."""
_END = "</s>"
_TIMES_LONGER, _MORE_PIECES = 3, 24
"""Some languages take many more pieces than others for the same."""
_NO_REPEAT = 3
_PATIENCE = 2.0
"""So many times as many hypotheses as are followed must have ended: the best is often not among the first."""
_ONE_FOR_ALL = ("sentencepiece.bpe.model", "sentencepiece.model", "spm.128k.model", "spiece.model", "spm.model")


def model_arguments(settings: Settings) -> dict[str, Any]:
    """What `Translator` is called with. Of several cards it takes the first that `CUDA_VISIBLE_DEVICES` names."""
    return {
        "device": settings.translate_device,
        "compute_type": settings.compute_type,
        "intra_threads": settings.threads,
    }


class _Way(msgspec.Struct, frozen=True):
    """How a model is told to translate one pair: tokens before the source, and the first tokens of the answer."""

    before: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()


class Model:
    """A loaded model."""

    def __init__(self, order: Order, settings: Settings) -> None:
        """Raises `ModelMissing` when it is not there or damaged, `SettingsError` when it cannot be used as told."""
        self._settings = settings
        self._portions = Portions(settings.translate_batch_size)
        self._languages = _order.languages("TRANSLATE_LANGUAGES", settings.translate_languages)
        self._folder = store.find(settings.models_dir, order.name, variable=VARIABLE)
        if not (self._folder / "model.bin").is_file():
            raise ModelMissing(
                f"{VARIABLE}: there is no model for CTranslate2 in {self._folder}: "
                "pull it by its name, or convert it with ct2-transformers-converter"
            )
        try:
            self._load()
        except (RuntimeError, ValueError, OSError, msgspec.DecodeError) as error:
            raise self._refusal(order.name, error) from error
        self.pairs: frozenset[Pair] = self._offered(order)
        """What it translates."""

    def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        """The translations, in order; empty where the model has none that it comes to the end of."""
        way = self._way(pair)
        unknown = _never if pair[0] in WITHOUT_SPACES else self._unknown
        cut = [list(parts(sentence, self._fits)) for sentence in sentences]
        asked = [part for group in cut for part in group]
        answers = iter(spelled(asked, lambda plain: self._translated(plain, way), unknown=unknown))
        whole: list[str] = []
        for group in cut:
            translations = [next(answers) for _ in group]
            whole.append(glue(translations, pair[1]) if all(translations) else "")
        return whole

    def _load(self) -> None:
        ctranslate2 = importlib.import_module("ctranslate2")
        one_for_all = next((name for name in _ONE_FOR_ALL if (self._folder / name).is_file()), None)
        self._source_pieces = self._pieces(one_for_all or "source.spm")
        self._target_pieces = self._source_pieces if one_for_all else self._pieces("target.spm")
        self._model: Any = ctranslate2.Translator(str(self._folder), **model_arguments(self._settings))
        self._known = frozenset(vocabulary(self._folder, "source"))
        self._tags: Mapping[str, str] = Tag.NLLB.among(self._known) or Tag.M2M.among(self._known)
        self._target_tags: Mapping[str, str] = self._tags or Tag.OPUS.among(self._known)
        said = vocabulary(self._folder, "target")
        self._never_said = [[token] for token in said if any(tag.value.fullmatch(token) for tag in Tag)]

    def _refusal(self, name: str, error: Exception) -> MeshError:
        """Whether it is the model or what it shall run on that does not do: the library tells the latter in words."""
        if isinstance(error, ValueError) or "cuda" in str(error).lower():
            return SettingsError(
                f"{VARIABLE}: cannot load {self._folder} with TRANSLATE_DEVICE={self._settings.translate_device}, "
                f"TRANSLATE_COMPUTE_TYPE={self._settings.compute_type}: {error}"
            )
        damaged = store.unloadable(self._settings.models_dir, name, error)
        return damaged or ModelMissing(f"{VARIABLE}: the model in {self._folder} is damaged, bring it anew: {error}")

    def _pieces(self, name: str) -> Any:
        sentencepiece = importlib.import_module("sentencepiece")
        return sentencepiece.SentencePieceProcessor(model_file=str(self._folder / name))

    def _offered(self, order: Order) -> frozenset[Pair]:
        """The pairs of this model: what the setting says, or else the languages in its vocabulary, files and name."""
        source, target = told_pair(self._folder, order.name)
        sources = order.sources or self._wanted(self._tags) or ([source] if source else [])
        targets = order.targets or self._wanted(self._target_tags) or ([target] if target else [])
        pairs = [(source, target) for source in sources for target in targets if source != target]
        if not pairs:
            raise SettingsError(f"{VARIABLE}: say what {order.name} translates, such as en-de={order.name}")
        for known, named in ((self._tags, sources), (self._target_tags, targets)):
            if known and (strange := set(named) - known.keys()):
                raise SettingsError(f"{VARIABLE}: {order.name} does not know {', '.join(sorted(strange))}")
        return frozenset(pairs)

    def _wanted(self, tags: Mapping[str, str]) -> Sequence[str]:
        return [code for code in tags if not self._languages or code in self._languages]

    def _way(self, pair: Pair) -> _Way:
        source, target = pair
        if self._tags:
            return _Way(before=(self._tags[source],), prefix=(self._tags[target],))
        return _Way(before=(self._target_tags[target],) if self._target_tags else ())

    def _fits(self, text: str) -> bool:
        return len(self._source_pieces.encode(text)) <= MOST_PIECES

    def _unknown(self, word: str) -> bool:
        return any(piece not in self._known for piece in self._source_pieces.encode(word, out_type=str))

    def _translated(self, sentences: Sequence[str], way: _Way) -> list[str]:
        answers = self._decoded(sentences, way)
        astray = [number for number, text in enumerate(answers) if text is None or loops(sentences[number], text)]
        if astray:
            again = self._decoded([sentences[number] for number in astray], way, no_repeat_ngram_size=_NO_REPEAT)
            for number, text in zip(astray, again, strict=True):
                answers[number] = text
        return [text or "" for text in answers]

    def _decoded(self, sentences: Sequence[str], way: _Way, **options: Any) -> list[str | None]:
        """The model's answers, those of about the same length at once; None for one that came to no end."""
        asked = [self._tokens(sentence, way) for sentence in sentences]
        order = sorted(range(len(asked)), key=lambda number: len(asked[number]))

        def decode(batch: Sequence[list[str]]) -> list[str | None]:
            results = self._model.translate_batch(
                list(batch),
                target_prefix=[list(way.prefix)] * len(batch) if way.prefix else None,
                beam_size=self._settings.translate_beam_size,
                patience=_PATIENCE,
                max_input_length=0,
                max_decoding_length=max(map(len, batch)) * _TIMES_LONGER + _MORE_PIECES,
                disable_unk=True,
                suppress_sequences=self._never_said,
                return_end_token=True,
                **options,
            )
            return [self._text(result.hypotheses[0][len(way.prefix) :]) for result in results]

        answers = self._portions.compute(decode, [asked[number] for number in order])
        return [text for _, text in sorted(zip(order, answers, strict=True), key=lambda pair: pair[0])]

    def _tokens(self, sentence: str, way: _Way) -> list[str]:
        return [*way.before, *self._source_pieces.encode(sentence, out_type=str), _END]

    def _text(self, tokens: Sequence[str]) -> str | None:
        return str(self._target_pieces.decode(list(tokens[:-1]))) if tokens and tokens[-1] == _END else None


def _never(_: str) -> bool:
    return False
