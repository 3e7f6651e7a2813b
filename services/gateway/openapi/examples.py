"""Examples for the OpenAPI document, made from the messages themselves."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from services.gateway.problems import ProblemBody
from shared import codec, messages
from shared.messages import Segment, StageName, State, Step, Word
from shared.result import assemble
from shared.steps import STEPS
from shared.text import subtitles

TASK_ID = "4f5b2c9e8d7a41f0b6c3e2d1a0987654"
PATH = f"/audio/tasks/{TASK_ID}"
CREATED = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)
LINKS = {"self": PATH, "events": f"{PATH}/events", "stream": f"/audio/process-stream-realtime?task_id={TASK_ID}"}

_SEGMENT = Segment(
    index=1,
    start=0.5,
    end=2.1,
    text="Good morning, Emma.",
    words=(
        Word(text="Good", start=0.5, end=0.8, score=0.98),
        Word(text="morning,", start=0.8, end=1.4, score=0.97),
        Word(text="Emma.", start=1.5, end=2.1, score=0.91),
    ),
    language="en",
    translation="Bom dia, Emma.",
    entities=(messages.Entity(text="Emma", label="person", start=14, end=18, score=0.96, segment=1),),
)
RESULT = assemble(
    TASK_ID,
    [_SEGMENT],
    messages.Document(
        segments=1,
        duration=3.0,
        language="en",
        language_score=0.99,
        coverage=1.0,
        target_language="pt",
        topics=(messages.Topic(label="business", score=0.85),),
        summary="Good morning, Emma.",
    ),
)


def example_result() -> messages.Result:
    """What the examples of answers are made from."""
    return RESULT


class Parameter(msgspec.Struct, frozen=True):
    """What a handler's signature does not say about a parameter."""

    example: str | int
    schema: dict[str, Any] = {}
    required: bool = False


PARAMETERS = {
    "task_id": Parameter(TASK_ID, required=True),
    "Last-Event-ID": Parameter("7-0"),
    "last_event_id": Parameter("7-0"),
    "Idempotency-Key": Parameter("2f1c6b0e-8d53-4f8e-9a51-b7b7f2a9c1de", {"pattern": "^[!-~]{1,255}$"}),
    "If-None-Match": Parameter('"5d41402abc4b2a76b9719d911017c592"'),
    "format": Parameter("srt"),
    "limit": Parameter(50),
    "state": Parameter(State.COMPLETED),
    "cursor": Parameter("1773307800000", {"pattern": "^[0-9]{0,16}$"}),
    "translated": Parameter("true"),
    "debug": Parameter("true"),
}


def _event(number: int, step: Step, partial: messages.Message | None = None) -> str:
    event = messages.Event(
        task_id=TASK_ID,
        step=step,
        progress=STEPS[step].high,
        message=STEPS[step].message,
        timestamp=CREATED,
        partial_result=messages.NO_PARTIAL if partial is None else codec.raw_json(partial),
    )
    return f"id: {number}-0\ndata: {codec.encode_text(event)}\n\n"


_STREAM = "".join(
    (
        ": open\n\nretry: 2000\n",
        _event(1, Step.STARTED),
        _event(2, Step.TRANSCRIPTION, messages.TranscriptPart(transcript=_SEGMENT.text, segment=_SEGMENT)),
        ": ping\n\n",
        _event(14, Step.COMPLETED, RESULT),
    )
)
_STATE = {
    "task_id": TASK_ID,
    "state": State.RUNNING,
    "step": Step.TRANSCRIPTION,
    "progress": 24,
    "route": [StageName.ASR, StageName.TRANSLATE, StageName.NLP],
    "name": "meeting.mp3",
    "created": CREATED,
    "finished": None,
    "error": None,
    "links": LINKS,
    "webhook": None,
}
_PAIRS = [{"source": "en", "target": "pt"}, {"source": "pt", "target": "en"}]
_KIND = {"workers": 2, "concurrency": 1, "engine": "embedded"}
_PART = {"engine": "embedded", "model": "", "languages": ["en"], "labels": [], "default_labels": []}
_CAPABILITIES = {
    "version": "1.0.0",
    "ready": True,
    "stages": {
        "asr": [_KIND | {"model": "whisper-base", "languages": ["en", "pt"], "device": "cpu", "follows": ["hotwords"]}],
        "translate": [
            _KIND
            | {
                "model": "firefox-translations",
                "offers": [{"sources": ["en", "pt"], "targets": ["en", "pt"], "via": ""}],
            }
        ],
        "nlp": [_KIND | {"entities": _PART, "topics": _PART, "summary": _PART}],
        "insights": [_KIND | {"model": "en_core_web_sm", "languages": ["en"], "findings": ["questions"]}],
    },
    "languages": ["en", "pt"],
    "pairs": _PAIRS,
    "features": {
        "initial_prompt": True,
        "hotwords": True,
        "word_timestamps": True,
        "diarize": False,
        "channels": False,
    },
    "formats": {"containers": ["mp3", "wav"], "codecs": ["mp3", "opus"], "results": ["json", "srt"]},
    "limits": {
        "upload_bytes": 2_147_483_648,
        "audio_seconds": 21_600,
        "text_characters": 1_000_000,
        "text_segments": 20_000,
        "labels": 50,
        "label_characters": 100,
        "text_field_characters": 2_000,
        "ping_seconds": 10,
        "wait_limit_seconds": 3_600,
        "task_ttl_seconds": 86_400,
    },
}
ANSWERS: dict[tuple[str, str], Any] = {
    ("", "text/event-stream"): _STREAM,
    ("POST /audio/tasks", "application/json"): {"task_id": TASK_ID, "state": State.QUEUED, "links": LINKS},
    ("POST /text/tasks", "application/json"): {"task_id": TASK_ID, "state": State.QUEUED, "links": LINKS},
    ("GET /audio/tasks/{task_id}", "application/json"): _STATE,
    ("GET /audio/capabilities", "application/json"): _CAPABILITIES,
    ("GET /audio/tasks", "application/json"): {"tasks": [_STATE], "next_cursor": "1773307800000"},
    ("DELETE /audio/tasks/{task_id}", "application/json"): {
        "task_id": TASK_ID,
        "state": State.CANCELLED,
        "links": LINKS,
    },
    ("GET /audio/tasks/{task_id}/result", "application/json"): msgspec.to_builtins(RESULT),
    ("GET /audio/tasks/{task_id}/result", "text/plain"): subtitles.render(RESULT, subtitles.Format.TXT),
    ("", "application/x-subrip"): subtitles.render(RESULT, subtitles.Format.SRT),
    ("", "text/vtt"): subtitles.render(RESULT, subtitles.Format.VTT),
    ("", "text/tab-separated-values"): subtitles.render(RESULT, subtitles.Format.TSV),
    ("GET /health/live", "text/plain"): "live\n",
    ("GET /health/ready", "text/plain"): "ready\n",
    (
        "GET /metrics",
        "text/plain",
    ): "# TYPE voxmesh_events_sent_total counter\nvoxmesh_events_sent_total 42.0\n",
}
"""By operation (empty: any) and media type."""


def problem(status: int, code: str, path: str) -> Any:
    """What a refusal looks like."""
    body = ProblemBody(
        title=HTTPStatus(status).phrase,
        status=status,
        detail="What is wrong, and what a person can do about it.",
        code=code,
        instance=path.replace("{task_id}", TASK_ID),
    )
    return msgspec.to_builtins(body)
