"""Insights by grammar. Each finding has a module of its own beside this one, and none of them loads anything."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from services.insights._actions import action_items
from services.insights._chapters import chapters
from services.insights._chat import Chat
from services.insights._phrases import key_phrases
from services.insights._questions import is_question
from services.insights._sentiment import sentiment
from services.insights.protocol import Findings, Passage
from services.insights.settings import Settings
from shared.inference.device import give_way
from shared.messages import ActionItem, Question
from shared.models.store import locate

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


_FINDINGS = (
    *("key_phrases", "questions", "action_items", "sentiment"),
    *("words_per_minute", "talk_time", "chapters"),
)


class GrammarEngine:
    """English, by grammar (spaCy's `en_core_web_sm`), a word list of sentiment (VADER) and dateparser.

    It quotes and never rephrases. What it cannot see it leaves out: a promise in other words than those it knows.
    """

    languages = ("en",)
    # spaCy's tokenizer takes time that grows with the square of a word's length, and no phrase is this long.
    _overlong = re.compile(r"\S{100,}")
    _longest_text = 10_000
    """Characters of one passage that are read; the model takes 10 kB of memory for each."""

    def __init__(self, settings: Settings, writer: Chat | None = None) -> None:
        self.writer = writer
        self._settings = settings
        self._model: Language | None = None
        self._polarity: Callable[[str], float] | None = None

    def load(self) -> None:
        path = locate(self._settings.models_dir, "spacy-en-core-web-sm")
        import spacy
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._model = spacy.load(path)
        analyser: Any = SentimentIntensityAnalyzer()
        self._polarity = lambda text: float(analyser.polarity_scores(text)["compound"])

    def warm_up(self) -> None:
        text = "Can you hear me? Anna will send the good report by Friday."
        self.read([Passage(segment=1, start=0, end=1, text=text)], today=date(2024, 1, 1))

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self._settings.insights_engine,
            "model": self._settings.llm_model if self.writer else "en_core_web_sm",
            "languages": [] if self.writer else list(self.languages),
            "findings": list(_FINDINGS),
        }

    def read(self, passages: Sequence[Passage], *, today: date) -> Findings:
        assert self._model is not None
        assert self._polarity is not None
        # Without it the model would keep each word that it has ever read.
        with self._model.memory_zone():  # pyright: ignore[reportUnknownMemberType]
            docs = list(self._model.pipe(self._readable(passages)))
            return Findings(
                key_phrases=key_phrases(docs, count=self._settings.insights_key_phrases),
                questions=_questions(passages, docs),
                action_items=_actions(passages, docs, today),
                sentiment=sentiment(passages, self._polarity),
                chapters=chapters(passages, docs, titles=_titles),
            )

    def _readable(self, passages: Sequence[Passage]) -> Iterator[str]:
        for passage in passages:
            give_way()
            yield self._overlong.sub(" ", passage.text)[: self._longest_text]


def _titles(docs: Sequence["Doc"]) -> Sequence[str]:
    return [phrase.text for phrase in key_phrases(docs, count=5)]


def _questions(passages: Sequence[Passage], docs: Sequence["Doc"]) -> tuple[Question, ...]:
    return tuple(
        Question(text=sentence.text.strip(), segment=passage.segment)
        for passage, doc in zip(passages, docs, strict=True)
        for sentence in doc.sents
        if is_question(sentence) and any(map(str.isalnum, sentence.text))
    )


def _actions(passages: Sequence[Passage], docs: Sequence["Doc"], today: date) -> tuple[ActionItem, ...]:
    return tuple(
        item
        for passage, doc in zip(passages, docs, strict=True)
        for sentence in doc.sents
        for item in action_items(sentence, segment=passage.segment, speaker=passage.speaker, today=today)
    )
