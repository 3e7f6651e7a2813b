"""OpenAI's form: which of its fields mean something here, and what they ask of a task."""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from services.gateway.fleet import View
from services.gateway.intake.forms import FALSE, MOST_TEXT_CHARACTERS, SPEAKERS, TRUE, options_of
from services.gateway.intake.wish import Wish
from services.gateway.openai_api.errors import named_as_here
from services.gateway.openai_api.models import check_model
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared.messages import Options, StageName

FILE_FIELD = "file"
ENGLISH = "en"

_BOTH = frozenset(("model", "prompt", "response_format", "temperature", "language", "hotwords", "channels"))
"""Fields of both forms; the last two are the mesh's own."""
_WITHOUT_EFFECT = {"temperature", "chunking_strategy"}
"""They tune OpenAI's models. Where speech begins and ends is found out in any case."""
_LISTS = {"timestamp_granularities", "include", "languages", "keywords", "known_speaker_names"}
"""Lists come as `name[]`, each value by itself, or as `name`, with commas."""
_PARTS = {f"chunking_strategy[{part}]" for part in ("type", "prefix_padding_ms", "silence_duration_ms", "threshold")}
_REFUSED = {
    "include": "cannot be given here: there are no log probabilities",
    "known_speaker_names": "is not supported: speakers are not known by name here",
    "known_speaker_references": "is not supported: speakers are not known by name here",
}
_TRANSCRIPTION = _BOTH | _LISTS | {f"{name}[]" for name in _LISTS} | {"known_speaker_references[]"}
_OWN = {"diarize", *SPEAKERS}
FIELDS = frozenset(_TRANSCRIPTION | _WITHOUT_EFFECT | _PARTS | _OWN | {"stream", "known_speaker_references"})
"""Of a transcription, beside the file."""
TRANSLATION_FIELDS = _BOTH
"""Of a translation."""
_OURS = {"initial_prompt": "prompt"}
_NUMBER = re.compile(r"(\d{1,20}\.?\d{0,20}|\.\d{1,20})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


class Answer(StrEnum):
    """The values of `response_format`."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE = "verbose_json"
    VTT = "vtt"
    DIARIZED = "diarized_json"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the client wants to have of the task. `words` and `segments` are those of `verbose_json`; `english` says
    that it asked for a translation."""

    answer: Answer = Answer.JSON
    words: bool = False
    segments: bool = True
    stream: bool = False
    english: bool = False


class SpeechForm:
    """One request's form. `view` is what the workers can do; `order` is there once the form has been read."""

    file_field = FILE_FIELD
    by_content = True

    def __init__(self, view: View, *, english: bool, again: bool) -> None:
        self.again = again
        self.fields = TRANSLATION_FIELDS if english else FIELDS
        self.order = Order(english=english)
        self._view = view

    def read(self, fields: Mapping[str, str], settings: Settings) -> Wish:
        """What the fields ask for. Raises `Problem` naming the one at fault."""
        given = _given(fields)
        check_model(given.get("model", ""), self._view, settings)
        for name, why in _REFUSED.items():
            if name in given:
                raise _refusal(name, why)
        self.order = _order(given, english=self.order.english)
        options = _options(given, self.order, settings)
        if self.order.answer is Answer.DIARIZED:
            self._require_speakers()
        if self.order.english:
            return _in_english(options, self._view)
        return Wish(options=options, route=(StageName.ASR,))

    def _require_speakers(self) -> None:
        """What is there for the speakers' sake only is refused when nobody tells them apart."""
        known = self._view.offered.asr
        if known and all(kind.follows for kind in known) and not any("diarize" in kind.follows for kind in known):
            raise _refusal("response_format", "cannot be diarized_json: no worker here tells speakers apart")


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that say something, lists under their bare names."""
    given: dict[str, str] = {}
    for name, text in fields.items():
        if text.strip():
            bare = name.removesuffix("[]")
            given[bare] = f"{given[bare]},{text.strip()}" if bare in given else text.strip()
    return given


def _order(given: Mapping[str, str], *, english: bool) -> Order:
    try:
        answer = Answer(given.get("response_format", Answer.JSON).lower())
        if english and answer is Answer.DIARIZED:
            raise ValueError
    except ValueError as error:
        choices = [kind for kind in Answer if not (english and kind is Answer.DIARIZED)]
        raise _refusal("response_format", f"must be one of: {', '.join(choices)}", *choices) from error
    asked = {part.strip().lower() for part in given.get("timestamp_granularities", "").split(",")} - {""}
    if asked - {"word", "segment"}:
        raise _refusal("timestamp_granularities", "must be word, segment or both", "word", "segment")
    if asked and answer is not Answer.VERBOSE:
        raise _refusal("timestamp_granularities", "goes with response_format=verbose_json only")
    if not _is_share(given.get("temperature", "0")):
        raise _refusal("temperature", "must be a number from 0 to 1")
    stream = given.get("stream", "false").lower()
    if stream not in TRUE + FALSE:
        raise _refusal("stream", "must be true or false")
    return Order(
        answer=answer,
        words="word" in asked,
        segments="segment" in asked or not asked,
        stream=stream in TRUE,
        english=english,
    )


def _is_share(text: str) -> bool:
    """Whether it is a number from 0 to 1, however clients write a small one: `1e-05`."""
    return bool(_NUMBER.fullmatch(text)) and 0 <= float(text) <= 1


def _options(given: Mapping[str, str], order: Order, settings: Settings) -> Options:
    """The options of the task. A prompt works through its end, so that is what stays of a long one."""
    languages = list(dict.fromkeys(code.strip() for code in given.get("languages", "").split(",") if code.strip()))
    language = given.get("language", languages[0] if len(languages) == 1 else "")
    if languages and language and language not in languages:
        detail = "'language' is none of the 'languages'. Leave out one of the two."
        raise Problem(400, "conflicting_fields", detail, field="languages")
    own = {
        "language": language,
        "initial_prompt": given.get("prompt", "")[-MOST_TEXT_CHARACTERS:],
        "hotwords": ", ".join(filter(None, (given.get("hotwords"), given.get("keywords")))),
        "diarize": "true" if order.answer is Answer.DIARIZED else given.get("diarize", ""),
        "channels": given.get("channels", ""),
        **{name: given.get(name, "") for name in SPEAKERS},
    }
    try:
        options = options_of(own, settings)
    except Problem as problem:
        raise named_as_here(problem, _OURS) from problem
    return msgspec.structs.replace(options, topics=(), entity_labels=())


def _in_english(options: Options, view: View) -> Wish:
    """A task that ends in English: by the translate stage from the languages for which there is a pair, by the
    recogniser itself from all others."""
    sources = tuple(sorted(pair.source for pair in view.offered.pairs() if pair.target == ENGLISH))
    language = options.language
    if language == ENGLISH:
        return Wish(options=options, route=(StageName.ASR,))
    if not sources or (language and language not in sources):
        return Wish(options=msgspec.structs.replace(options, english_unless=()), route=(StageName.ASR,))
    options = msgspec.structs.replace(options, target_language=ENGLISH, english_unless=None if language else sources)
    return Wish(options=options, route=(StageName.ASR, StageName.TRANSLATE))


def _refusal(name: str, rule: str, *offered: str) -> Problem:
    return Problem(400, "bad_field", f"The field '{name}' {rule}.", field=name, offered=offered)
