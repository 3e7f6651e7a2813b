"""From the text fields of a form to the options of a task. Everything in a form is text; empty means the default."""

import unicodedata
from collections.abc import Mapping, Sequence

from services.gateway.intake.formdata import ITEM
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared.errors import Permanent, SettingsError
from shared.messages import Options
from shared.text.language import normalise
from shared.text.redaction import KINDS

WEBHOOK = "webhook_url"
"""Who is told of the end."""
TEXT_FIELDS = frozenset(
    (
        "language",
        "include_translation",
        "target_language",
        "include_insights",
        "topics",
        "entity_labels",
        "redact",
        WEBHOOK,
    )
)
"""Of a text and of a recording."""
AUDIO_URL = "audio_url"
"""Where the recording is, in place of the recording."""
SPEAKERS = ("num_speakers", "min_speakers", "max_speakers")
"""How many people speak, where that is known."""
FIELDS = TEXT_FIELDS | {AUDIO_URL, "initial_prompt", "hotwords", "diarize", "word_timestamps", "channels"} | {*SPEAKERS}
"""Of a recording."""

TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
MOST_SPEAKERS = 50
MOST_LABELS, MOST_LABEL_CHARACTERS, MOST_TEXT_CHARACTERS = 50, 100, 2_000


def options_of(fields: Mapping[str, str], settings: Settings) -> Options:
    """The options that `fields` ask for; their names are in `FIELDS`. Raises `Problem` naming the field at fault."""
    told = {name: text.strip() for name, text in fields.items() if text.strip()}
    given = {
        "target_language": settings.default_target_language,
        "topics": settings.default_topics,
        "entity_labels": settings.default_entity_labels,
    } | told
    target = _language(given, "target_language")
    exactly, least, most = _all_speakers(given)
    return Options(
        language=_language(given, "language"),
        target_language=target if _switch(told, "include_translation", implied_by=("target_language",)) else None,
        include_insights=_boolean(given, "include_insights", default=False),
        topics=_labels(given, "topics"),
        entity_labels=_labels(given, "entity_labels"),
        initial_prompt=_text(given, "initial_prompt"),
        hotwords=_text(given, "hotwords"),
        diarize=_switch(told, "diarize", implied_by=SPEAKERS),
        num_speakers=exactly,
        min_speakers=least,
        max_speakers=most,
        word_timestamps=_boolean(given, "word_timestamps", default=True),
        channels=_choice(given, "channels", ("mix", "separate")),
        redact=_kinds(given, "redact"),
    )


def check_defaults(settings: Settings) -> None:
    """Raises `SettingsError` where what the settings add to a form would be refused: so would every form be, by the
    name of a field that nobody has sent."""
    try:
        options_of({"include_translation": "true"}, settings)
    except Problem as problem:
        reason = problem.detail.removeprefix(f"The field '{problem.field}'").lstrip(" :")
        raise SettingsError(f"DEFAULT_{str(problem.field).upper()}: {reason}") from problem


def _boolean(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in given:
        return default
    value = given[name].lower()
    if value not in TRUE + FALSE:
        raise _refusal(name, "must be true or false (1/0, on/off and yes/no are understood, too)")
    return value in TRUE


def _switch(told: Mapping[str, str], name: str, *, implied_by: Sequence[str]) -> bool:
    """What the field says. Where it is not there, one of those that mean nothing without it turns it on. A no stands:
    forms of web pages send what has been chosen in a list whether its switch is on or off."""
    return _boolean(told, name, default=any(field in told for field in implied_by))


def _all_speakers(given: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """How many people speak: exactly, at least, at most. Of two bounds, the lower is the least, whichever it is
    called."""
    exactly, least, most = (_speakers(given, name) for name in SPEAKERS)
    if least and most:
        least, most = min(least, most), max(least, most)
    if exactly and not (least or exactly) <= exactly <= (most or exactly):
        detail = f"'num_speakers' is {exactly}, which is not within the bounds that stand beside it. Leave them out."
        raise Problem(400, "conflicting_fields", detail, field="num_speakers")
    return exactly, least, most


def _speakers(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SPEAKERS):
        raise _refusal(name, f"must be a whole number from 1 to {MOST_SPEAKERS}")
    return int(text)


def _language(given: Mapping[str, str], name: str) -> str | None:
    text = given.get(name, "auto")
    if text.lower() == "auto" and name == "language":
        return None
    try:
        return normalise(text)
    except Permanent as error:
        raise Problem(400, error.code, f"The field '{name}': {error.message}", field=name) from error


def _labels(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = given.get(name, "")
    parts = (" ".join(part.split()) for part in text.split(ITEM if ITEM in text else ","))
    labels = tuple(dict.fromkeys(part for part in parts if can_be_seen(part)))
    if len(labels) > MOST_LABELS or any(len(label) > MOST_LABEL_CHARACTERS or _has_controls(label) for label in labels):
        raise _refusal(
            name,
            f"must be at most {MOST_LABELS} labels, separated by commas, of up to {MOST_LABEL_CHARACTERS} characters",
        )
    return labels


def _kinds(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(label.lower() for label in _labels(given, name)))
    if not set(kinds) <= set(KINDS) or (name in given and not kinds):  # nobody means to mask nothing
        raise _refusal(name, f"must be some of these, separated by commas: {', '.join(KINDS)}")
    return kinds


def _text(given: Mapping[str, str], name: str) -> str | None:
    text = given.get(name)
    if text is not None and len(text) > MOST_TEXT_CHARACTERS:
        raise _refusal(name, f"must be at most {MOST_TEXT_CHARACTERS:,} characters long")
    return text


def _choice(given: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    value = given.get(name, choices[0]).lower()
    if value not in choices:
        raise _refusal(name, f"must be one of: {', '.join(choices)}")
    return value


def is_asked(name: str, text: str) -> bool:
    """What the query parameter `name` says; empty is no. Raises `Problem` for what says neither yes nor no."""
    value = text.strip().lower()
    if value and value not in TRUE + FALSE:
        raise Problem(400, "bad_field", f"'{name}' must be true or false.", field=name)
    return value in TRUE


def can_be_seen(text: str) -> bool:
    """Whether there is anything in it but blanks, marks of direction and the like."""
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)


def _refusal(name: str, rule: str) -> Problem:
    return Problem(400, "bad_field", f"The field '{name}' {rule}.", field=name)
