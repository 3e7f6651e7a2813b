"""A summary in the model's own words: each part of the text, then the parts' summaries together."""

import re
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from services.nlp._sentences import sentences
from services.nlp._torch import computed, folder_of, listed_languages, loading, room
from services.nlp._windows import Window, windows
from services.nlp.settings import Settings
from shared.errors import SettingsError
from shared.inference.portions import Portions

VARIABLE = "NLP_SUMMARY_MODEL"

_SPECIAL = 3
_SHARE = 3
"""A summary may have one token for so many of its source. More would be retelling."""
_LONGEST = 142
"""Tokens of a part's summary where the model does not say."""
_SHORTEST = 16
_ROUNDS = 5
"""How often summaries are summarised. Each round makes a third of the text; what is left then stays as it is."""
_WHOLE = re.compile(r""".*[.!?…。！？।؟]["'”’»)\]」』]*""", re.DOTALL)


class _Draft:
    """A text on its way to its summary."""

    def __init__(self, read: list[str]) -> None:
        self.told = read
        """Its sentences so far."""
        self._source = " ".join(read)

    def takes(self, summaries: Sequence[str]) -> bool:
        """Put the summaries of its parts in its place, if they are shorter. Whether another round may shorten it."""
        again = list(dict.fromkeys(sentences(summaries)))  # parts of one talk repeat each other
        if not again or _words(again) >= _words(self.told):
            return False
        self.told = again
        return len(summaries) > 1

    @property
    def summary(self) -> str | None:
        """What has come of it, or the text itself where that is no longer; None for one without a word."""
        summary = " ".join(self.told)
        return (summary if len(summary) < len(self._source) else self._source) or None


class Seq2SeqSummary:
    """Any encoder-decoder of transformers that was trained to summarise: BART, Pegasus, T5 and their kind."""

    shortest_words = 40
    """A text of fewer words is its own summary: a model asked for less of nearly nothing makes things up."""

    def __init__(self, settings: Settings) -> None:
        self.languages = listed_languages(settings.nlp_summary_languages)
        self._settings = settings
        self._tokenizer: Any = None
        self._model: Any = None
        self._ways: Any = None
        self._prefix = ""
        self._places = 0
        self._most = _LONGEST
        self._portions = Portions(settings.nlp_batch_size)

    def load(self) -> None:
        folder = folder_of(self._settings, variable=VARIABLE)
        with loading(self._settings, variable=VARIABLE):
            import transformers

            library: Any = transformers
            self._tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = library.AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True)
            self._model = model.to(self._settings.nlp_device).eval()
        tasks: dict[str, dict[str, str]] = self._model.config.task_specific_params or {}
        prefix = self._settings.nlp_summary_prefix or tasks.get("summarization", {}).get("prefix", "")
        self._prefix = f"{prefix.rstrip()} " if prefix else ""
        self._ways = self._model.generation_config
        said = self._ways.max_length
        self._most = said if said and said != library.GenerationConfig().max_length else _LONGEST
        self._places = room(self._tokenizer, self._model.config) - self._count([self._prefix])[0] - _SPECIAL
        if self._places < 1:
            raise SettingsError(f"{VARIABLE}: the model has no room for a text behind NLP_SUMMARY_PREFIX")

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "seq2seq",
            "model": Path(self._settings.nlp_summary_model).name,
            "languages": list(self.languages),
            "device": self._settings.nlp_device,
        }

    def summarise(self, talks: Sequence[Sequence[str]]) -> list[str | None]:
        drafts = [_Draft(sentences(texts)) for texts in talks]
        going = [draft for draft in drafts if _words(draft.told) >= self.shortest_words]
        for _ in range(_ROUNDS):
            parts = [windows(draft.told, most=self._places, count=self._count) for draft in going]
            told = iter(self._told(list(chain.from_iterable(parts))))
            going = [
                draft
                for draft, own in zip(going, parts, strict=True)
                if draft.takes(list(islice(told, len(own)))) and _words(draft.told) > self._settings.nlp_summary_words
            ]
        return [draft.summary for draft in drafts]

    def _told(self, parts: Sequence[Window]) -> list[str]:
        """The summary of each part, in order."""
        return computed(self._generate, parts, portions=self._portions, weight=lambda part: part.tokens)

    def _generate(self, parts: Sequence[Window]) -> list[str]:
        import torch

        tokens = self._tokenizer(
            [f"{self._prefix}{part.text}" for part in parts], padding=True, return_tensors="pt"
        ).to(self._settings.nlp_device)
        # The model's own limits are for articles like those that it was trained on; a part may be shorter.
        source = min(part.tokens for part in parts)
        most = max(_SHORTEST, min(self._most, max(part.tokens for part in parts) // _SHARE))
        with torch.inference_mode():
            written = self._model.generate(
                **tokens,
                do_sample=False,
                max_length=None,
                min_length=0,
                max_new_tokens=most,
                min_new_tokens=min(self._ways.min_length or 0, source // (2 * _SHARE)),
                no_repeat_ngram_size=self._ways.no_repeat_ngram_size or 3,
            )
        return [
            _ended(text.strip(), part)
            for text, part in zip(self._tokenizer.batch_decode(written, skip_special_tokens=True), parts, strict=True)
        ]

    def _count(self, texts: Sequence[str]) -> list[int]:
        encoded: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [len(tokens) for tokens in encoded]


def _ended(text: str, part: Window) -> str:
    """`text` up to its last whole sentence; where it has none, the first sentence of what it is about."""
    whole = _WHOLE.match(text)
    return whole[0] if whole else sentences([part.text])[0]


def _words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)
