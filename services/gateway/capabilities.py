"""What this mesh can do at the moment, in one answer: who works, what may be asked for, how much may be sent."""

from importlib.metadata import version

import msgspec
from litestar import get

from services.gateway.fleet import Pair, Recogniser, Workers
from services.gateway.intake import forms
from services.gateway.intake.texts import MOST_SEGMENTS
from services.gateway.openapi import RESULT_TYPES, refusals
from services.gateway.runtime import Injected
from services.gateway.settings import Settings
from shared.audio import FORMATS
from shared.messages import StageName

CODECS = (
    "aac", "ac3", "alac", "amrnb", "amrwb", "dca", "eac3", "flac", "gsm", "mp2", "mp3", "opus", "pcm_alaw",
    "pcm_mulaw", "pcm_f32le", "pcm_f64le", "pcm_s16be", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8", "speex",
    "vorbis", "wavpack", "wmav1", "wmav2",
)  # fmt: skip


class Formats(msgspec.Struct, frozen=True, kw_only=True):
    """`containers` are all that are opened, `codecs` those that recordings mostly have: what else FFmpeg decodes is
    taken, too. The names are FFmpeg's. `results` are the forms in which the result of a task is given."""

    containers: tuple[str, ...]
    codecs: tuple[str, ...]
    results: tuple[str, ...]


class CapabilityLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is taken, and how long it lasts. A stream is never silent for longer than `ping_seconds`; a task that no
    worker has touched for `wait_limit_seconds` ends as `expired`; all of a task is gone `task_ttl_seconds` after its
    last sign of life."""

    upload_bytes: int
    audio_seconds: float
    text_characters: int
    text_segments: int
    labels: int
    label_characters: int
    text_field_characters: int
    ping_seconds: float
    wait_limit_seconds: int
    task_ttl_seconds: int


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Which options a live recogniser follows. One that is not followed is no error: the task says so in `warnings`."""

    initial_prompt: bool
    hotwords: bool
    word_timestamps: bool
    diarize: bool
    channels: bool


class CapabilitiesFound(msgspec.Struct, frozen=True, kw_only=True):
    """`stages` has the live workers: those that are alike are one entry, and a stage without any has an empty list.

    `ready` tells whether each stage has one. `languages` (ISO 639) can be transcribed and `pairs` translated; others
    are refused at submission. A stage that is scaled to zero counts with what its workers offered last; an empty list
    says that nothing is known, and then nothing is refused.
    """

    version: str
    ready: bool
    stages: Workers
    languages: tuple[str, ...]
    pairs: tuple[Pair, ...]
    features: Features
    formats: Formats
    limits: CapabilityLimits


@get(
    "/audio/capabilities",
    summary="What the running workers can do",
    responses=refusals(400, 503),
    tags=["operations"],
)
async def capabilities(runtime: Injected) -> CapabilitiesFound:
    """Engines, models, languages, language pairs and labels as the live workers report them, and the limits of this
    gateway. No older than a second."""
    view = await runtime.fleet.view()
    return CapabilitiesFound(
        version=version("voxmesh"),
        ready=all(getattr(view.live, stage) for stage in StageName),
        stages=view.live,
        languages=tuple(view.offered.languages()),
        pairs=tuple(view.offered.pairs()),
        features=_features(view.live.asr),
        formats=Formats(containers=tuple(FORMATS.split(",")), codecs=CODECS, results=tuple(RESULT_TYPES)),
        limits=_limits(runtime.settings),
    )


def _features(recognisers: tuple[Recogniser, ...]) -> Features:
    followed = {field for kind in recognisers for field in kind.follows}
    return Features(**{name: name in followed for name in Features.__struct_fields__})


def _limits(settings: Settings) -> CapabilityLimits:
    return CapabilityLimits(
        upload_bytes=settings.max_upload_bytes,
        audio_seconds=settings.max_audio_seconds,
        text_characters=settings.max_text_characters,
        text_segments=MOST_SEGMENTS,
        labels=forms.MOST_LABELS,
        label_characters=forms.MOST_LABEL_CHARACTERS,
        text_field_characters=forms.MOST_TEXT_CHARACTERS,
        ping_seconds=settings.ping_seconds,
        wait_limit_seconds=settings.wait_limit_seconds,
        task_ttl_seconds=settings.task_ttl_seconds,
    )
