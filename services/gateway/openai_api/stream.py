"""`stream=true`: the events of a task as OpenAI's clients expect them.

A delta comes for each sentence as soon as it is recognised; put together they are the text of the end. Where segments
are asked for, one follows each delta.
"""

from collections.abc import Iterator

from services.gateway.events.frames import Frame
from services.gateway.openai_api.errors import ErrorBody, body_of, without_result
from services.gateway.openai_api.form import Answer, Order
from services.gateway.openai_api.replies import Language, Speakers, SpeakerSegment, Usage
from services.gateway.problems import unavailable
from shared import codec
from shared.messages import NO_PARTIAL, Event, Message, Segment, State, Step

_WITH_SEGMENTS = (Answer.DIARIZED, Answer.VERBOSE)


class Delta(Message, frozen=True, kw_only=True):
    """More text."""

    type: str
    delta: str
    segment_id: str | None = None


class Done(Message, frozen=True, kw_only=True, omit_defaults=False):
    """All of it."""

    type: str = "transcript.text.done"
    text: str
    languages: tuple[Language, ...]
    usage: Usage


class Transcript:
    """One client's events. Its `stamp` is that of an `EventStream`."""

    def __init__(self, order: Order) -> None:
        self._with_segments = order.answer in _WITH_SEGMENTS
        self._speakers = Speakers()
        self._begun = False

    def stamp(self, _: str, frame: Frame) -> bytes:
        """What a frame of the task comes to; nothing for the steps that OpenAI does not know."""
        event = codec.decode_event(frame.event)
        return b"".join(map(_sent, self._messages(event)))

    def _messages(self, event: Event) -> Iterator[Message]:
        match event.step:
            case Step.TRANSCRIPTION if event.partial_result != NO_PARTIAL:
                yield from self._parts(codec.decode_transcript_part(event.partial_result).segment)
            case Step.COMPLETED:
                result = codec.decode_result(event.partial_result)
                languages = (Language(code=result.language),) if result.language else ()
                yield Done(text=result.transcript, languages=languages, usage=Usage(seconds=result.duration))
            case Step.FAILED | Step.CANCELLED | Step.EXPIRED:
                yield body_of(without_result(State(event.step.value), event.error))
            case _:
                pass

    def _parts(self, segment: Segment) -> Iterator[Delta | SpeakerSegment]:
        if not segment.text:
            return
        gap = segment.gap if self._begun else ""
        self._begun = True
        whole = self._speakers.segment(segment)
        yield Delta(
            type="transcript.text.delta",
            delta=f"{gap}{segment.text}",
            segment_id=whole.id if self._with_segments else None,
        )
        if self._with_segments:
            yield whole


def cut_off() -> bytes:
    """The end of a stream whose task goes on elsewhere."""
    return _sent(body_of(unavailable("The service is being restarted. Send the same again: it goes on as it was.")))


def _sent(message: Message | ErrorBody) -> bytes:
    return b"data: " + codec.encode_json(message) + b"\n\n"
