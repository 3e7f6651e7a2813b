"""Topics by natural language inference: whether the text entails what is said of it."""

from collections.abc import Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

from services.nlp._sentences import sentences
from services.nlp._torch import computed, folder_of, listed_languages, loading, room
from services.nlp._windows import Window, windows
from services.nlp.protocol import Wanted
from services.nlp.settings import Settings
from shared.errors import SettingsError
from shared.inference.portions import Portions
from shared.messages import Topic

VARIABLE = "NLP_TOPICS_MODEL"

_SPECIAL = 4
"""Special tokens of a pair, at most: RoBERTa's kind sets two between the texts."""


class NliTopics:
    """Any sequence classifier of transformers that was trained on MNLI or the like.

    Each label is judged for itself: its score is the probability that a window of the text entails 'This text is about
    {label}.' and does not contradict it, in the mean over all windows, longer ones counting more.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.nlp_topics_hypothesis.count("{}") != 1:
            raise SettingsError("NLP_TOPICS_HYPOTHESIS: it must hold {} once, where the label goes")
        self.languages = listed_languages(settings.nlp_topics_languages)
        self._settings = settings
        self._tokenizer: Any = None
        self._model: Any = None
        self._verdicts: list[int] = []
        self._portions = Portions(settings.nlp_batch_size)

    def load(self) -> None:
        folder = folder_of(self._settings, variable=VARIABLE)
        with loading(self._settings, variable=VARIABLE):
            import transformers

            library: Any = transformers
            self._tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = library.AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
            self._model = model.to(self._settings.nlp_device).eval()
        self._verdicts = _verdicts(self._model.config.label2id)

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "nli",
            "model": Path(self._settings.nlp_topics_model).name,
            "languages": list(self.languages),
            "device": self._settings.nlp_device,
        }

    def score(self, wanted: Sequence[Wanted]) -> list[list[Topic]]:
        asked = [(self._read(each), self._claims(each.labels)) for each in wanted]
        likely = iter(self._entailed([pair for chosen, claims in asked for pair in product(chosen, claims)]))
        return [
            _topics(each.labels, chosen, list(islice(likely, len(chosen) * len(claims))))
            for each, (chosen, claims) in zip(wanted, asked, strict=True)
        ]

    def _read(self, wanted: Wanted) -> Sequence[Window]:
        """The windows of the texts that are judged."""
        read = sentences(wanted.texts)
        if not read:
            return ()
        longest = max(self._count(self._claims(wanted.labels)))
        places = room(self._tokenizer, self._model.config) - longest - _SPECIAL
        if places < 1:
            raise SettingsError(f"{VARIABLE}: the model has no room for a text beside the longest label")
        most = self._settings.nlp_topics_pairs // len(wanted.labels)
        return _spread(windows(read, most=places, count=self._count), most)

    def _claims(self, labels: Sequence[str]) -> list[str]:
        # By parts, because a label may itself hold braces.
        before, _, behind = self._settings.nlp_topics_hypothesis.partition("{}")
        return [f"{before}{label}{behind}" for label in labels]

    def _entailed(self, pairs: Sequence[tuple[Window, str]]) -> list[float]:
        """The probability for each pair of window and claim that the one entails the other."""
        import torch

        def judge(batch: Sequence[tuple[Window, str]]) -> list[float]:
            tokens = self._tokenizer(
                [window.text for window, _ in batch], [claim for _, claim in batch], padding=True, return_tensors="pt"
            ).to(self._settings.nlp_device)
            with torch.inference_mode():
                return self._model(**tokens).logits[:, self._verdicts].softmax(dim=-1)[:, 0].tolist()

        return computed(judge, pairs, portions=self._portions, weight=lambda pair: pair[0].tokens)

    def _count(self, texts: Sequence[str]) -> list[int]:
        encoded: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [len(tokens) for tokens in encoded]


def _verdicts(names: Mapping[str, int]) -> list[int]:
    """The numbers of 'entailment' and of 'contradiction', or of 'not entailment' where there are but two verdicts."""
    by_name = {name.lower(): number for name, number in names.items()}
    entailed = next((number for name, number in by_name.items() if name.startswith("entail")), None)
    against = next((number for name, number in by_name.items() if name.startswith(("contra", "not"))), None)
    if entailed is None or against is None:
        known = ", ".join(names)
        raise SettingsError(f"{VARIABLE}: a model that judges entailment and contradiction is needed; it knows {known}")
    return [entailed, against]


def _topics(labels: Sequence[str], read: Sequence[Window], likely: Sequence[float]) -> list[Topic]:
    """The topics of a text, the best first, from what is likely for each window and label; none where none was read."""
    total = sum(window.tokens for window in read)
    topics = [
        Topic(label=label, score=round(sum(
            window.tokens * likely[place * len(labels) + number] for place, window in enumerate(read)
        ) / total, 4))
        for number, label in enumerate(labels if read else ())
    ]  # fmt: skip
    return sorted(topics, key=lambda topic: -topic.score)


def _spread(found: Sequence[Window], most: int) -> Sequence[Window]:
    """All, or `most` of them in even steps from the first to the last."""
    if len(found) <= max(most, 1):
        return found
    if most <= 1:
        return found[:1]
    return [found[round(number * (len(found) - 1) / (most - 1))] for number in range(most)]
