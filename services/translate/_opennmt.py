"""OPUS-MT, NLLB-200 and M2M-100 on CTranslate2. Imports its libraries in `load`.

Several models may be loaded, and a pair that none of them knows can go through a third language.
"""

from collections.abc import Sequence
from typing import Any

from services.translate import _order
from services.translate._model import Model, model_arguments
from services.translate._offers import offers
from services.translate.protocol import Pair
from services.translate.settings import Settings

_NO_PIVOT = "none"


class OpenNmtEngine:
    """The models that the settings name, as one engine."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` when the settings name no model, or a language that there is not."""
        self._settings = settings
        self._orders = _order.read(settings.translate_models)
        pivot = settings.translate_pivot
        self._pivot = None if pivot == _NO_PIVOT else _order.language("TRANSLATE_PIVOT", pivot)
        self._models: dict[Pair, Model] = {}
        self._pairs: frozenset[Pair] = frozenset()

    def load(self) -> None:
        """Raises `ModelMissing` when a model is not there or damaged, `SettingsError` when it cannot be used so."""
        for model in reversed([Model(order, self._settings) for order in self._orders]):
            self._models |= dict.fromkeys(model.pairs, model)
        self._pairs = frozenset(self._models) | self._through()

    def warm_up(self) -> None:
        for model in set(self._models.values()):
            model.translate(["1, 2, 3."], min(model.pairs))

    def describe(self) -> dict[str, Any]:
        through = [group | {"via": self._pivot} for group in offers(self._through())]
        return {
            "engine": "ctranslate2",
            "model": ", ".join(order.name for order in self._orders),
            "device": self._settings.translate_device,
            "compute_type": self._settings.compute_type,
            "threads": model_arguments(self._settings)["intra_threads"],
            "offers": offers(self._models) + through,
        }

    @property
    def pairs(self) -> frozenset[Pair]:
        return self._pairs

    def via(self, source: str, target: str) -> str | None:
        return None if (source, target) in self._models else self._pivot

    def translate(self, sentences: Sequence[str], source: str, target: str) -> list[str]:
        model = self._models.get((source, target))
        if model is not None:
            return model.translate(sentences, (source, target))
        assert self._pivot is not None, "only pairs on offer are asked for"
        halfway = self.translate(sentences, source, self._pivot)
        done = [number for number, text in enumerate(halfway) if text]
        answers = self.translate([halfway[number] for number in done], self._pivot, target)
        whole = [""] * len(sentences)
        for number, answer in zip(done, answers, strict=True):
            whole[number] = answer
        return whole

    def _through(self) -> frozenset[Pair]:
        """The pairs that need two models."""
        here = self._pivot
        sources = {source for source, target in self._models if target == here}
        targets = {target for source, target in self._models if source == here}
        pairs = {(source, target) for source in sources for target in targets if source != target}
        return frozenset(pairs - self._models.keys())
