"""The data that crosses a process boundary: records between stages, events to clients, the result.

A *record* is what a stage writes to its output stream: many `Segment`s, then one `Document`. Each stage enriches what
it got and forwards it, so the output of the last stage of a route is the whole result. An *event* is what a client
sees. Records are msgpack, events and results are JSON; both are made only by `shared.codec`.

Unknown fields are accepted and every field that is added later has a default, so that old and new workers run side by
side during a rolling deploy.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class StageName(StrEnum):
    """The stages, in the only order in which a route can take them."""

    ASR = "asr"
    TRANSLATE = "translate"
    NLP = "nlp"
    INSIGHTS = "insights"


class State(StrEnum):
    """Where a task stands. The last four are terminal: exactly one of them ends each task."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class Step(StrEnum):
    """What an event reports. `shared.steps` gives each its progress and its message."""

    QUEUED = "queued"
    STARTED = "started"
    TRANSCRIPTION = "transcription"
    TRANSCRIPTION_COMPLETE = "transcription_complete"
    TRANSLATION = "translation"
    TRANSLATION_COMPLETE = "translation_complete"
    NER = "ner"
    NER_COMPLETE = "ner_complete"
    CLASSIFICATION = "classification"
    CLASSIFICATION_COMPLETE = "classification_complete"
    SUMMARIZATION = "summarization"
    SUMMARIZATION_COMPLETE = "summarization_complete"
    INSIGHTS = "insights"
    INSIGHTS_COMPLETE = "insights_complete"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self in (Step.COMPLETED, Step.FAILED, Step.CANCELLED, Step.EXPIRED)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of everything on the wire."""


class Word(Message, frozen=True):
    """One spoken word. Times are seconds from the start of the audio; `score` is a probability, 0 to 1. The times of an
    `interpolated` word are guessed from those of its neighbours."""

    text: str
    start: float
    end: float
    score: float | None = None
    speaker: str | None = None
    interpolated: bool = False


class Entity(Message, frozen=True, omit_defaults=False):
    """A named entity. `start` and `end` are character offsets into the text of segment number `segment`, so that
    `segment.text[start:end] == text`."""

    text: str
    label: str
    start: int
    end: int
    score: float
    segment: int


class Segment(Message, frozen=True, tag_field="type", tag="segment"):
    """About one sentence of the recording. `index` counts from 1 and is the number of its record in every stage.

    `channel` counts from 0, as channels lie in the file; None where they were mixed.

    `language_score` is how likely `language` is by its sound, 0 to 1; None where it did not have to be guessed.

    `gap` is the white space before it; gaps and texts put together are the text that a client has sent.
    `translation_gap` is what stands before the translation where that is something else: a blank between sentences, of
    which the original has none.
    `flags` are the codes of warnings that this segment is a reason for: they lie beside it so that whoever finishes the
    task, after whatever deaths, warns of the same.
    `translation` is None until the translate stage has run, and also when the sentence could not be translated.
    """

    index: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    language: str | None = None
    language_score: float | None = None
    translation: str | None = None
    entities: tuple[Entity, ...] = ()
    channel: int | None = None
    gap: str = " "
    translation_gap: str | None = None
    flags: tuple[str, ...] = ()

    def flagged(self, code: str) -> "Segment":
        """The same segment with this code among its flags."""
        return self if code in self.flags else msgspec.structs.replace(self, flags=(*self.flags, code))


class Topic(Message, frozen=True, omit_defaults=False):
    """One label of the classification and how well the text fits it, 0 to 1."""

    label: str
    score: float


class ActionItem(Message, frozen=True, omit_defaults=False):
    """Something somebody has to do. `due` is the wording of the speaker, `due_date` its ISO date where one follows."""

    text: str
    who: str | None
    due: str | None
    due_date: str | None
    segment: int


class Question(Message, frozen=True, omit_defaults=False):
    """A question that was asked, and where."""

    text: str
    segment: int


class KeyPhrase(Message, frozen=True, omit_defaults=False):
    """A phrase that stands for what was talked about; `score` is its relevance, 0 to 1."""

    text: str
    score: float


class Mood(Message, frozen=True, omit_defaults=False):
    """Sentiment of one segment, -1 (negative) to 1 (positive), at its place in time (seconds)."""

    segment: int
    start: float
    end: float
    score: float


class Sentiment(Message, frozen=True, omit_defaults=False):
    """Sentiment of the whole recording, and how it went over time. `label` is positive, neutral or negative."""

    label: str
    score: float
    over_time: tuple[Mood, ...]


class TalkTime(Message, frozen=True, omit_defaults=False):
    """How much one speaker spoke, on one channel. `speaker` is None where speakers were not told apart, `channel` where
    channels were mixed."""

    speaker: str | None
    seconds: float
    words: int
    channel: int | None = None


class Chapter(Message, frozen=True, omit_defaults=False):
    """A part of the recording with a subject of its own: from segment number `segment` to the next chapter; times are
    seconds."""

    title: str
    segment: int
    start: float
    end: float


class Insights(Message, frozen=True, omit_defaults=False):
    """What a listener would note down. `words_per_minute` is measured over the time in which somebody speaks.

    `source` is `llm` where a language model has read the text, `local` where everything comes from the worker itself.
    """

    key_phrases: tuple[KeyPhrase, ...]
    questions: tuple[Question, ...]
    action_items: tuple[ActionItem, ...]
    sentiment: Sentiment | None
    words_per_minute: float
    talk_time: tuple[TalkTime, ...]
    chapters: tuple[Chapter, ...] = ()
    source: str = "local"


class Notice(Message, frozen=True, omit_defaults=False):
    """A warning: the task goes on, but something of it could not be done. `message` says what a person can do."""

    code: str
    message: str
    stage: StageName | None = None


class Failure(Message, frozen=True, omit_defaults=False):
    """Why a task ended without a result. `code` is stable and listed in the docs."""

    code: str
    message: str
    stage: StageName | None = None
    retryable: bool = False


class Turn(Message, frozen=True):
    """Somebody speaks, seconds from the start of the audio. Turns on one `channel` do not overlap."""

    start: float
    end: float
    speaker: str
    channel: int | None = None


class Document(Message, frozen=True, tag_field="type", tag="document"):
    """The end record: what is known about the recording as a whole. Each stage adds to it and forwards it.

    `duration` and `coverage` are seconds of audio and the share of detected speech that has text (1.0 is all of it).
    """

    segments: int
    duration: float = 0.0
    language: str | None = None
    language_score: float | None = None
    coverage: float = 0.0
    target_language: str | None = None
    topics: tuple[Topic, ...] = ()
    summary: str | None = None
    insights: Insights | None = None
    warnings: tuple[Notice, ...] = ()
    turns: tuple[Turn, ...] = ()
    """Who speaks when, as is known at the end; see `shared.text.speakers`. Empty where speakers were not told apart."""


Record = Segment | Document


class Options(Message, frozen=True):
    """What the client asked for, already checked and filled in with defaults by the gateway."""

    language: str | None = None
    """ISO 639 code of the spoken language, None to detect it."""
    target_language: str | None = None
    """Where to translate to; None when no translation was asked for."""
    include_insights: bool = False
    topics: tuple[str, ...] = ()
    entity_labels: tuple[str, ...] = ()
    initial_prompt: str | None = None
    hotwords: str | None = None
    diarize: bool = False
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    word_timestamps: bool = True
    channels: str = "mix"
    english_unless: tuple[str, ...] | None = None
    """The recogniser itself puts into English what is spoken in none of these languages (ISO 639); None: in no case."""
    redact: tuple[str, ...] = ()
    """Kinds of `shared.text.redaction` that nobody who watches the task or reads its result may see."""


class WebhookState(StrEnum):
    """How a webhook stands: `waiting` for the end of its task, `pending` between attempts, and at last one of two."""

    WAITING = "waiting"
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookAttempt(Message, frozen=True, omit_defaults=False):
    """One attempt to deliver a webhook. `status` is that of the receiver's answer, None when there was none; `error`
    says why it does not count: `status`, `redirected`, `refused`, `unresolved`, `unconnected`, `timeout`,
    `bad_answer`."""

    at: datetime
    status: int | None
    error: str | None
    seconds: float


class Kept(Message, frozen=True):
    """A moment of a task's life as the scripts write it down; `at` is the time of Redis (ms)."""

    at: int
    what: str
    stage: StageName
    attempt: int | None = None
    worker: str | None = None
    code: str | None = None
    delay_ms: int = 0
    count: int | None = None


class Moment(Message, frozen=True):
    """One moment of a task's life.

    `what` is `accepted`; of a stage `queued`, `begun`, `first_record` and `ended`, or in place of `ended` one of
    `retried`, `handed_back`, `rolled_back` and `lost` (its worker fell silent), upon which it begins again; of the task
    `completed`, `failed`, `cancelled` or `expired`; and `webhook` for each attempt to deliver one. Of a life with
    hundreds of moments some in the middle are left out: there `omitted` stands, with `count`, how many they were.

    `seconds` are, for `begun`, how long the job had waited; for the end of an attempt or of the task, how long that
    took; for a webhook, how long its receiver took. `code` is that of an error, `status` the answer to a webhook."""

    at: datetime
    what: str
    stage: StageName | None = None
    attempt: int | None = None
    worker: str | None = None
    seconds: float | None = None
    code: str | None = None
    status: int | None = None
    count: int | None = None


class StageJob(Message, frozen=True):
    """The one argument of an arq job: which task the stage is to work on."""

    task_id: str
    traceparent: str | None = None


NO_PARTIAL = msgspec.Raw(b"null")
"""What `Event.partial_result` is when the event has none; it is then left out of the JSON."""


class Event(Message, frozen=True):
    """One line of a client's stream. `partial_result` is JSON that has been encoded already."""

    task_id: str
    step: Step
    progress: int
    message: str
    timestamp: datetime
    partial_result: msgspec.Raw = NO_PARTIAL
    error: Failure | None = None
    warnings: tuple[Notice, ...] = ()


class TranscriptPart(Message, frozen=True, omit_defaults=False):
    """`transcription`: the text so far and the segment that came last. In the event log the text is left out (None):
    it is what the segments say, and repeating it each time would make the log grow with the square of its length."""

    transcript: str | None
    segment: Segment
    is_final: bool = False


class Transcript(Message, frozen=True, omit_defaults=False):
    """`transcription_complete`."""

    transcript: str
    language: str | None
    duration: float
    segments: tuple[Segment, ...]
    is_final: bool = True


class TranslationPart(Message, frozen=True, omit_defaults=False):
    """`translation`: the translated text so far, left out in the event log, and the segment that came last."""

    translation: str | None
    segment: Segment
    is_final: bool = False


class Translation(Message, frozen=True, omit_defaults=False):
    """`translation_complete`. `translation` is None when it could not be done; a warning then says why."""

    translation: str | None
    target_language: str | None
    is_final: bool = True


class Entities(Message, frozen=True, omit_defaults=False):
    """`ner_complete`. Of the `words` of the text, `words_read` were searched: the others are in a language that the
    engine does not read, or there was nothing to look for."""

    entities: tuple[Entity, ...]
    words: int = 0
    words_read: int = 0


class Topics(Message, frozen=True, omit_defaults=False):
    """`classification_complete`, the best label first."""

    topics: tuple[Topic, ...]


class Summary(Message, frozen=True, omit_defaults=False):
    """`summarization_complete`. None when there is no text to summarise."""

    summary: str | None


class InsightsFound(Message, frozen=True, omit_defaults=False):
    """`insights_complete`. None when there is no text."""

    insights: Insights | None


Partial = TranscriptPart | Transcript | TranslationPart | Translation | Entities | Topics | Summary | InsightsFound


class Result(Message, frozen=True, omit_defaults=False):
    """The final result with all data: the `partial_result` of `completed`, and what the result endpoint answers."""

    task_id: str
    transcript: str
    language: str | None
    language_score: float | None
    duration: float
    coverage: float
    no_speech: bool
    segments: tuple[Segment, ...]
    translation: str | None
    target_language: str | None
    entities: tuple[Entity, ...]
    topics: tuple[Topic, ...]
    summary: str | None
    insights: Insights | None
    warnings: tuple[Notice, ...]
