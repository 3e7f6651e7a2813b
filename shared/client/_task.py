"""What the gateway says about a task, typed."""

from datetime import datetime

import msgspec

from shared import messages
from shared.messages import Event, Failure, Message, Moment, Partial, Result, StageName, State, Step

PartialResult = Partial | Result

_PARTIALS: dict[Step, type[PartialResult]] = {
    Step.TRANSCRIPTION: messages.TranscriptPart,
    Step.TRANSCRIPTION_COMPLETE: messages.Transcript,
    Step.TRANSLATION: messages.TranslationPart,
    Step.TRANSLATION_COMPLETE: messages.Translation,
    Step.NER_COMPLETE: messages.Entities,
    Step.CLASSIFICATION_COMPLETE: messages.Topics,
    Step.SUMMARIZATION_COMPLETE: messages.Summary,
    Step.INSIGHTS_COMPLETE: messages.InsightsFound,
    Step.COMPLETED: Result,
}
_DECODERS = {step: msgspec.json.Decoder(kind) for step, kind in _PARTIALS.items()}


class Update(Event, frozen=True):
    """One event. `id` is where a later call can go on behind it, empty for an event that is not kept; `data` is its
    JSON as it came."""

    id: str = ""
    data: bytes = b""

    @property
    def partial(self) -> PartialResult | None:
        """The partial result as the type that belongs to the step, None where there is none."""
        decoder = _DECODERS.get(self.step)
        if decoder is None or bytes(self.partial_result) == b"null":
            return None
        return decoder.decode(self.partial_result)


class TaskState(Message, frozen=True):
    """How a task stands. `name` is what the file was called at its submission; `error` says why it failed. Trace and
    timeline are there where they were asked for."""

    task_id: str
    state: State
    step: Step
    progress: int
    route: tuple[StageName, ...]
    created: datetime
    name: str = ""
    finished: datetime | None = None
    error: Failure | None = None
    trace_id: str | None = None
    timeline: tuple[Moment, ...] = ()


_decode_update = msgspec.json.Decoder(Update).decode


def decode_update(event_id: str, data: bytes) -> Update | None:
    """The event; None when its step is one that this version of the client does not know."""
    try:
        update = _decode_update(data)
    except msgspec.ValidationError:
        return None
    return msgspec.structs.replace(update, id=event_id, data=data)
