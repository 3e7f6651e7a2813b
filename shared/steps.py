"""The table of steps: the progress each stands for and what it says to a person. Clients rely on order and numbers."""

from collections.abc import Sequence

import msgspec

from shared.messages import StageName, Step


class StepInfo(msgspec.Struct, frozen=True):
    """`low` to `high` is the progress (percent) of the step; one number for most."""

    low: int
    high: int
    message: str


STEPS: dict[Step, StepInfo] = {
    Step.QUEUED: StepInfo(0, 0, "Waiting for a free worker"),
    Step.STARTED: StepInfo(5, 5, "Processing has started"),
    Step.TRANSCRIPTION: StepInfo(10, 30, "Transcribing the audio"),
    Step.TRANSCRIPTION_COMPLETE: StepInfo(30, 30, "The transcript is ready"),
    Step.TRANSLATION: StepInfo(35, 50, "Translating the text"),
    Step.TRANSLATION_COMPLETE: StepInfo(50, 50, "The translation is ready"),
    Step.NER: StepInfo(60, 60, "Looking for named entities"),
    Step.NER_COMPLETE: StepInfo(65, 65, "Named entities are found"),
    Step.CLASSIFICATION: StepInfo(70, 70, "Classifying the content"),
    Step.CLASSIFICATION_COMPLETE: StepInfo(75, 75, "The topics are ready"),
    Step.SUMMARIZATION: StepInfo(80, 80, "Writing the summary"),
    Step.SUMMARIZATION_COMPLETE: StepInfo(85, 85, "The summary is ready"),
    Step.INSIGHTS: StepInfo(90, 90, "Gathering insights"),
    Step.INSIGHTS_COMPLETE: StepInfo(95, 95, "The insights are ready"),
    Step.COMPLETED: StepInfo(100, 100, "Processing is complete"),
}


def progress_of(step: Step, done: float | None = None) -> int:
    """Percent for `step`, `done` (0 to 1) of the way through it."""
    info = STEPS[step]
    return info.low + int((info.high - info.low) * min(max(done or 0.0, 0.0), 1.0))


def route_of(*, audio: bool, translation: bool, insights: bool) -> Sequence[StageName]:
    """The stages of a task: a sub-chain of asr, translate, nlp, insights."""
    wanted = {
        StageName.ASR: audio,
        StageName.TRANSLATE: translation,
        StageName.NLP: True,
        StageName.INSIGHTS: insights,
    }
    return tuple(stage for stage, chosen in wanted.items() if chosen)
