"""Whisper on CTranslate2, with the models that stand beside it.

WhisperX's and faster-whisper's own pipelines take a whole recording and detect, cut, encode and time it in one go. This
engine does the same in steps of one batch, so that a stage can stream, stop and continue, and several tasks share a
batch: one run of the encoder serves the language, the text and the word times of all their clips.

Text that the model makes up is stopped three times: only speech comes here; a clip that the model itself calls silent
and unlikely is dropped; and one that repeats itself is decoded again with repetition forbidden.
"""

import warnings
import zlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.asr._clips import Samples
from services.asr._helpers import Helpers
from services.asr._rows import Decoded, Row, groups, settle
from services.asr._voices import Diarizer
from services.asr._words import WITHOUT_SPACES, glued
from services.asr.protocol import Heard, Hints, Request, in_english
from services.asr.settings import Settings
from shared.errors import ModelMissing, SettingsError
from shared.inference.portions import Portions
from shared.models.store import find

_MOST_HINT_TOKENS = 223
"""Half of the decoder's 448 places belongs to what is said."""
_SILENT_PROBABILITY = 0.6
_UNLIKELY = -1.0
"""Mean log probability of a token below which the model guesses."""
_REPETITIVE = 2.4
"""How often a text must fit into its compressed form to be held for a loop."""
_LANES = 2
"""Computations of a processor at a time."""
_DECODED_AT_ONCE = 3
"""Clips that a processor decodes at once: so many hypotheses fit into one tile of its matrix unit."""
_FRAME_SECONDS = 0.01
_FULL = 3000
"""Frames that Whisper sees at most, 30 s …"""
_STEP = 500
"""… and it sees a multiple of this, so that clips of about one length can share a batch."""
_STANDARD = {"jw": "jv"}
"""Codes of Whisper that are no longer those of ISO 639."""
_WHISPERS_OWN = {standard: own for own, standard in _STANDARD.items()}


def model_arguments(settings: Settings) -> dict[str, Any]:
    """What `WhisperModel` is called with. On a processor the lanes share the threads."""
    lanes = 1 if settings.asr_device == "cuda" else _LANES
    return {
        "device": settings.asr_device,
        "compute_type": settings.compute_type,
        "cpu_threads": max(1, settings.threads // lanes),
        "num_workers": lanes,
        "local_files_only": True,
    }


class WhisperEngine:
    """A Whisper model in CTranslate2's format, as `library`, a module, runs it."""

    def __init__(self, settings: Settings, *, library: str, helpers: Helpers) -> None:
        self._settings = settings
        self._library = library
        self._helpers = helpers
        if settings.asr_device == "cuda":
            self._encoding = self._writing = Portions(2 * settings.asr_batch_size)
        else:
            self._encoding, self._writing = Portions(1, lanes=_LANES), Portions(_DECODED_AT_ONCE, lanes=_LANES)
        self._whisper: Any = None
        self._ctranslate2: Any = None
        self._tokenizers: Any = None
        self._transcribing: Any = None

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(_STANDARD.get(str(code), str(code)) for code in self._whisper.supported_languages)

    @property
    def batch_size(self) -> int:
        return self._settings.asr_batch_size

    @property
    def longest_seconds(self) -> float:
        return self._settings.max_audio_seconds

    @property
    def diarizer(self) -> Diarizer | None:
        return self._helpers.diarizer

    def load(self) -> None:
        """Load all models. Raises `ModelMissing` with what to do when the model is not there, `SettingsError`
        when it does not run on this device with this precision."""
        folder = self._folder()
        with warnings.catch_warnings():
            # The libraries behind WhisperX warn about each other at import; nothing that a person here could act on.
            warnings.simplefilter("ignore")
            library = import_module(self._library)
            self._ctranslate2 = import_module("ctranslate2")
            self._tokenizers = import_module("faster_whisper.tokenizer")
            self._transcribing = import_module("faster_whisper.transcribe")
        # numpy makes the spectrograms. The threads of its BLAS go on turning when they have nothing to do, which takes
        # a tenth of the time from the encoder beside them.
        import_module("threadpoolctl").ThreadpoolController().select(internal_api="openblas").limit(limits=1)
        try:
            self._whisper = library.WhisperModel(str(folder), **model_arguments(self._settings))
        except (RuntimeError, ValueError) as error:
            tried = f"{folder} with ASR_DEVICE={self._settings.asr_device}"
            precision = f"ASR_COMPUTE_TYPE={self._settings.compute_type}"
            raise SettingsError(f"ASR_MODEL: cannot load {tried}, {precision}: {error}") from error
        self._helpers.load()

    def warm_up(self) -> None:
        """Run every part of Whisper once, and the models beside it."""
        self._helpers.warm_up()
        self.transcribe([Request(clips=[np.zeros(16_000, np.float32)], hints=Hints())])

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self._settings.asr_engine,
            "model": Path(self._settings.asr_model).name,
            "languages": sorted(self.languages),
            "device": self._settings.asr_device,
            "compute_type": self._settings.compute_type,
            "threads": self._settings.threads,
            **self._helpers.describe(),
        }

    @property
    def listens_on_device(self) -> bool:
        return self._helpers.vad.listens_on_device

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples."""
        return self._helpers.vad.listen(samples, memory)

    def effort(self, clips: Sequence[Samples]) -> float:
        """What `clips` cost, in clips of 30 s."""
        return sum(self._length(len(clip) // self._whisper.feature_extractor.hop_length) for clip in clips) / _FULL

    def cuts(self, hints: Hints) -> bool:
        """Whether prompt and hotwords are too long."""
        _, left_out = _told(self._tokenizer("transcribe", "en"), hints)
        return left_out > 0

    def transcribe(self, requests: Sequence[Request]) -> Sequence[Heard]:
        """What is said in the clips of each request. Each step takes clips of the same shape together."""
        rows = [
            self._row(number, request.hints, clip) for number, request in enumerate(requests) for clip in request.clips
        ]
        own = [[row for row in rows if row.request == number] for number in range(len(requests))]
        for group in groups(rows, lambda row: row.length):
            self._encoding.compute(self._encode, group)
        found = [settle(of_request) for of_request in own]
        for row in rows:
            self._prepare(row)
        for group in groups(rows, lambda row: (row.length, tuple(row.tokenizer.sot_sequence), len(row.prompt))):
            self._writing.compute(self._write, group)
        return [
            Heard(
                language=language,
                language_score=score,
                clips=[row.words for row in of_request],
                languages=[row.language for row in of_request],
                scores=[row.score for row in of_request],
            )
            for of_request, (language, score) in zip(own, found, strict=True)
        ]

    def _row(self, request: int, hints: Hints, clip: Samples) -> Row:
        if not self._whisper.model.is_multilingual:
            hints = msgspec.structs.replace(hints, language="en")
        frames = len(clip) // self._whisper.feature_extractor.hop_length
        return Row(request=request, hints=hints, samples=clip, frames=frames, length=self._length(frames))

    def _length(self, frames: int) -> int:
        """How many frames the model sees of a clip with so many."""
        with_silence = frames + round(self._settings.asr_silence_seconds / _FRAME_SECONDS)
        return min(-(-with_silence // _STEP) * _STEP, _FULL)

    def _encode(self, rows: Sequence[Row]) -> Sequence[Row]:
        """One run of the encoder, and how likely each language is where that is not known. What it makes of each row is
        kept where any later batch can take it from."""
        extract = self._whisper.feature_extractor
        padded = [np.pad(extract(row.samples)[:, : row.frames], ((0, 0), (0, row.length - row.frames))) for row in rows]
        features = self._ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(padded)))
        encoded = self._whisper.model.encode(features, to_cpu=True)
        outputs: Samples = np.asarray(encoded.to(self._ctranslate2.DataType.float32))
        for row, own in zip(rows, outputs, strict=True):
            row.encoded = own
        if unknown := [row for row in rows if row.hints.language is None]:
            for row, guess in zip(unknown, self._whisper.model.detect_language(self._stacked(unknown)), strict=True):
                codes = [(str(token).strip("<|>"), float(probability)) for token, probability in guess]
                row.guesses = {_STANDARD.get(code, code): probability for code, probability in codes}
        return rows

    def _prepare(self, row: Row) -> None:
        """What the decoder is told before it begins with a row."""
        task = "translate" if in_english(row.language, row.hints.english_unless) else "transcribe"
        row.tokenizer = self._tokenizer(task, _WHISPERS_OWN.get(row.language, row.language))
        told, _ = _told(row.tokenizer, row.hints)
        start: list[int] = [row.tokenizer.sot_prev, *told] if told else []
        row.prompt = [*start, *row.tokenizer.sot_sequence, row.tokenizer.no_timestamps]

    def _tokenizer(self, task: str, language: str) -> Any:
        multilingual = self._whisper.model.is_multilingual
        return self._tokenizers.Tokenizer(self._whisper.hf_tokenizer, multilingual, task=task, language=language)

    def _write(self, rows: Sequence[Row]) -> Sequence[Row]:
        """What is said in each row, word by word."""
        self._decode(rows)
        if spoken := [row for row in rows if row.decoded and row.decoded.tokens]:
            self._time(spoken)
        return rows

    def _decode(self, rows: Sequence[Row]) -> None:
        """The text of each row, as tokens; none where it is made up."""
        for row, answer in zip(rows, self._generate(rows), strict=True):
            if answer.repetition > _REPETITIVE:
                answer = self._generate([row], no_repeat_ngram_size=5)[0]  # noqa: PLW2901 - a better one
            silent = answer.silence > _SILENT_PROBABILITY and answer.likelihood < _UNLIKELY
            loop = answer.repetition > _REPETITIVE
            row.decoded = msgspec.structs.replace(answer, tokens=[]) if silent or loop else answer

    def _generate(self, rows: Sequence[Row], **options: int) -> list[Decoded]:
        results = self._whisper.model.generate(
            self._stacked(rows),
            [list(row.prompt) for row in rows],
            beam_size=self._settings.asr_beam_size,
            suppress_blank=True,
            suppress_tokens=self._transcribing.get_suppressed_tokens(rows[0].tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        return [_judged(result, rows[0].tokenizer) for result in results]

    def _time(self, rows: Sequence[Row]) -> None:
        """The words of each row with their times: from the decoder's attention to the sound, or better ones where there
        is a model for the language that is spoken."""
        tokenizer, aligner = rows[0].tokenizer, self._helpers.aligner
        texts = [row.decoded.tokens for row in rows if row.decoded]
        lengths = [row.frames for row in rows]
        pieces = self._whisper.find_alignment(tokenizer, texts, self._stacked(rows), lengths)
        spaced = tokenizer.task == tokenizer.translate or tokenizer.language_code not in WITHOUT_SPACES
        for row, own in zip(rows, pieces, strict=True):
            row.words = glued(own, spaced=spaced)
            if aligner and tokenizer.task != tokenizer.translate:
                row.words = aligner.align(row.samples, row.words, row.language)

    def _stacked(self, rows: Sequence[Row]) -> Any:
        return self._ctranslate2.StorageView.from_array(np.stack([row.encoded for row in rows]))

    def _folder(self) -> Path:
        """Where the model is."""
        folder = find(self._settings.models_dir, self._settings.asr_model, variable="ASR_MODEL")
        if not (folder / "model.bin").is_file():
            raise ModelMissing(f"ASR_MODEL: there is no Whisper model for CTranslate2 in {folder}")
        return folder


def _told(tokenizer: Any, hints: Hints) -> tuple[list[int], int]:
    """What the decoder is told of the hints, and how many of their tokens found no place in that. Words are the same
    tokens in all languages."""
    hotwords: list[int] = tokenizer.encode(f" {hints.hotwords.strip()}") if hints.hotwords else []
    before: list[int] = tokenizer.encode(f" {hints.prompt.strip()}") if hints.prompt else []
    kept_hotwords = hotwords[: _MOST_HINT_TOKENS // 2 if before else _MOST_HINT_TOKENS]
    kept_before = before[max(0, len(before) + len(kept_hotwords) - _MOST_HINT_TOKENS) :]
    told = [*kept_hotwords, *kept_before]
    return told, len(hotwords) + len(before) - len(told)


def _judged(result: Any, tokenizer: Any) -> Decoded:
    tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
    length = len(result.sequences_ids[0])
    text = tokenizer.decode(tokens).strip().encode()
    return Decoded(
        tokens=tokens,
        likelihood=result.scores[0] * length / (length + 1),
        silence=result.no_speech_prob,
        repetition=len(text) / len(zlib.compress(text)),
    )
