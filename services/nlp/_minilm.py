"""Topics and summary by MiniLM, a small model that turns sentences into vectors."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from services.nlp._memory import Group, Memory, Vectors
from services.nlp._selection import representatives
from services.nlp._sentences import sentences
from services.nlp.protocol import Wanted
from services.nlp.settings import Settings
from shared.inference.device import give_way
from shared.messages import Topic
from shared.models.store import locate


class Encoder:
    """all-MiniLM-L6-v2: sentences as vectors of length 1, so that a dot product tells how near they are in meaning."""

    batch_size = 32
    most_tokens = 256
    """What the model was trained on; it does not read on behind."""
    most_bytes = 32 << 20
    """Vectors that are kept, with their texts: those of a day of speech, or of a few hundred short tasks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokenizer: Any = None
        self._model: Any = None
        self._memory = Memory(self.most_bytes)

    def load(self) -> None:
        if self._model is not None:
            return
        path = locate(self._settings.models_dir, "minilm-l6-v2")
        import torch
        import transformers

        library: Any = transformers  # its own annotations are partial
        torch.set_num_threads(self._settings.threads)
        self._tokenizer = library.AutoTokenizer.from_pretrained(path, local_files_only=True)
        self._model = library.AutoModel.from_pretrained(path, local_files_only=True).eval()

    def encode_each(self, groups: Sequence[Group]) -> list[Vectors]:
        """The rows of each group of texts. All that is new is encoded together, and kept for a while: topics and
        summary of a task need the same vectors, one after the other."""
        known = {group: vectors for group in groups if (vectors := self._memory.recall(group)) is not None}
        new = [group for group in dict.fromkeys(groups) if group not in known]
        rows = self.encode([text for group in new for text in group])
        start = 0
        for group in new:
            known[group] = rows[start : start + len(group)].copy()
            self._memory.keep(group, known[group])
            start += len(group)
        return [known[group] for group in groups]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, in float32. Texts of like length are computed together, which pads least."""
        import torch

        vectors = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), self.batch_size):
            give_way()
            rows = order[start : start + self.batch_size]
            tokens = self._tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=self.most_tokens,
                return_tensors="pt",
            )
            with torch.inference_mode():
                hidden = self._model(**tokens).last_hidden_state
                mask = tokens["attention_mask"].unsqueeze(-1)
                mean = (hidden * mask).sum(1) / mask.sum(1)
                vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors


class MiniLmTopics:
    """Topics by nearness in meaning: the mean of the sentences against 'This text is about {label}.'.

    A score is the cosine, stretched so that what is unrelated lies near 0 and what is clearly meant near 1. It can
    be compared between labels and between texts, but it is no probability: the scores of a text have no fixed sum.
    """

    languages = ("en",)
    # On short texts of known topic, cosines with the right label are 0.13 to 0.37, with wrong ones -0.05 to 0.15.
    _middle = 0.18
    _width = 0.05

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def load(self) -> None:
        self._encoder.load()

    def describe(self) -> dict[str, Any]:
        return {"engine": "embedded", "model": "all-MiniLM-L6-v2", "languages": list(self.languages)}

    def score(self, wanted: Sequence[Wanted]) -> list[list[Topic]]:
        read = [tuple(sentences(each.texts)) for each in wanted]
        described = [tuple(f"This text is about {label}." for label in each.labels) for each in wanted]
        vectors = self._encoder.encode_each([*read, *described])
        return [
            self._topics(each.labels, own, labels)
            for each, own, labels in zip(wanted, vectors[: len(wanted)], vectors[len(wanted) :], strict=True)
        ]

    def _topics(self, labels: Sequence[str], read: Vectors, described: Vectors) -> list[Topic]:
        if not len(read):
            return []
        mean = read.mean(axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        topics = [
            Topic(label=label, score=round(self._stretch(float(cosine)), 4))
            for label, cosine in zip(labels, described @ mean, strict=True)
        ]
        return sorted(topics, key=lambda topic: -topic.score)

    def _stretch(self, cosine: float) -> float:
        return 1 / (1 + math.exp((self._middle - cosine) / self._width))


class MiniLmSummary:
    """A summary in the speaker's words: whole sentences, in their order, those that stand best for all the others."""

    languages = ("en",)
    shortest_words = 40
    """A text of fewer words is its own summary."""
    fewest, most = 2, 8
    sentences_each = 5
    """One sentence of the summary stands for about so many of the text, between `fewest` and `most`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def load(self) -> None:
        self._encoder.load()

    def describe(self) -> dict[str, Any]:
        return {"engine": "embedded", "model": "all-MiniLM-L6-v2", "languages": list(self.languages)}

    def summarise(self, talks: Sequence[Sequence[str]]) -> list[str | None]:
        read = [tuple(sentences(texts)) for texts in talks]
        long = [each for each in read if len(each) > self.fewest and sum(map(_words, each)) >= self.shortest_words]
        vectors = dict(zip(long, self._encoder.encode_each(long), strict=True))
        return [self._quoted(each, vectors[each]) if each in vectors else " ".join(each) or None for each in read]

    def _quoted(self, read: Sequence[str], vectors: Vectors) -> str:
        count = min(max(len(read) // self.sentences_each, self.fewest), self.most)
        return " ".join(read[place] for place in representatives(vectors, [_words(each) for each in read], count))


def _words(sentence: str) -> int:
    return len(sentence.split())
