"""Whisper on CTranslate2, with the Silero VAD that ships with faster-whisper. The only file here that imports ML.

WhisperX's and faster-whisper's own pipelines take a whole recording and detect, cut, encode and time it in one go. This
engine does the same in steps of one batch, so that a stage can stream, stop and continue: one pass of the encoder
serves the language, the text and the word times of a batch.

Text that the model makes up is stopped three times: only speech comes here; a clip that the model itself calls silent
and unlikely is dropped; and one that repeats itself is decoded again with repetition forbidden.
"""

import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.asr._clips import FRAME, Samples
from services.asr._recogniser import Heard, Hints, Recogniser
from services.asr.settings import Settings
from shared import processors
from shared.errors import ModelMissing, SettingsError
from shared.messages import Word
from shared.models import locate
from shared.settings import choose

_MOST_HINT_TOKENS = 223
"""Half of the decoder's 448 places belongs to what is said."""
_SILENT_PROBABILITY = 0.6
_UNLIKELY = -1.0
"""Mean log probability of a token below which the model guesses."""
_REPETITIVE = 2.4
"""How often a text must fit into its compressed form to be held for a loop."""
_CONTEXT_FRAMES = 64
"""What Silero wants to hear again of the frame before, in samples."""
_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the following or the preceding word."""
_STANDARD = {"jw": "jv"}
"""Codes of Whisper that are no longer those of ISO 639."""
_WHISPERS_OWN = {standard: own for own, standard in _STANDARD.items()}
_WITHOUT_SPACES = ("zh", "ja", "th", "lo", "my", "yue")


def make_engine(settings: Settings) -> Recogniser:
    """The engine that the settings ask for, not loaded yet. Raises `SettingsError` naming the variable."""
    choices = {"embedded": "whisperx.asr", "light": "faster_whisper"}
    return Whisper(settings, library=choose("ASR_ENGINE", settings.asr_engine, choices))


class _Memory(msgspec.Struct):
    """What the VAD knows of the recording so far."""

    hidden: Any
    cell: Any
    context: Samples


class _Decoded(msgspec.Struct, frozen=True):
    """The decoder's answer for one clip."""

    tokens: list[int]
    likelihood: float
    silence: float
    repetition: float

    @property
    def repetitive(self) -> bool:
        return self.repetition > _REPETITIVE

    @property
    def made_up(self) -> bool:
        return self.silence > _SILENT_PROBABILITY and self.likelihood < _UNLIKELY


class Whisper:
    """A Whisper model in CTranslate2's format, as `library`, a module, runs it. Implements `Recogniser`."""

    def __init__(self, settings: Settings, *, library: str) -> None:
        self._settings = settings
        self._library = library
        self._threads = settings.worker_threads or processors.available()
        self._whisper: Any = None
        self._vad: Any = None
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

    def load(self) -> None:
        """Load Whisper and the VAD. Raises `ModelMissing` with what to do when the model is not there, `SettingsError`
        when it does not run on this device with this precision."""
        folder = self._folder()
        with warnings.catch_warnings():
            # The libraries behind WhisperX warn about each other at import; nothing that a person here could act on.
            warnings.simplefilter("ignore")
            library = import_module(self._library)
            self._tokenizers = import_module("faster_whisper.tokenizer")
            self._transcribing = import_module("faster_whisper.transcribe")
            onnxruntime = import_module("onnxruntime")
        try:
            self._whisper = library.WhisperModel(
                str(folder),
                device=self._settings.asr_device,
                compute_type=self._settings.asr_compute_type,
                cpu_threads=self._threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            tried = f"{folder} with ASR_DEVICE={self._settings.asr_device}"
            precision = f"ASR_COMPUTE_TYPE={self._settings.asr_compute_type}"
            raise SettingsError(f"ASR_MODEL: cannot load {tried}, {precision}: {error}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        silero = files("faster_whisper") / "assets" / "silero_vad_v6.onnx"
        self._vad = onnxruntime.InferenceSession(str(silero), options, providers=["CPUExecutionProvider"])

    def warm_up(self) -> None:
        """Run the VAD and every part of Whisper once."""
        self.listen(np.zeros(FRAME, np.float32), None)
        self.transcribe([np.zeros(16_000, np.float32)], Hints())

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self._settings.asr_engine,
            "model": Path(self._settings.asr_model).name,
            "languages": sorted(self.languages),
            "device": self._settings.asr_device,
            "compute_type": self._settings.asr_compute_type,
            "threads": self._threads,
            "follows": ["initial_prompt", "hotwords", "word_timestamps", "channels"],
        }

    def listen(self, samples: Samples, memory: object | None) -> tuple[Sequence[float], object]:
        """The probability of speech in each frame of 512 samples."""
        if memory is None:
            state = np.zeros((1, 1, 128), np.float32)
            memory = _Memory(state, state, np.zeros(_CONTEXT_FRAMES, np.float32))
        assert isinstance(memory, _Memory)
        rows = samples.reshape(-1, FRAME)
        contexts = np.vstack([memory.context, rows[:-1, -_CONTEXT_FRAMES:]])
        heard, hidden, cell = self._vad.run(
            None, {"input": np.hstack([contexts, rows]), "h": memory.hidden, "c": memory.cell}
        )
        probabilities: list[float] = np.asarray(heard).reshape(-1).tolist()
        return probabilities, _Memory(hidden, cell, rows[-1, -_CONTEXT_FRAMES:])

    def transcribe(self, clips: Sequence[Samples], hints: Hints) -> Heard:
        """The words of each clip."""
        features = [self._whisper.feature_extractor(clip)[..., :-1] for clip in clips]
        encoded = self._encode(features)
        language, score = self._language(encoded, hints.language)
        tokenizer = self._tokenizers.Tokenizer(
            self._whisper.hf_tokenizer,
            self._whisper.model.is_multilingual,
            task="translate" if hints.in_english(language) else "transcribe",
            language=_WHISPERS_OWN.get(language, language),
        )
        prompt, hints_cut = _prompt(tokenizer, hints)
        decoded = self._decode(encoded, tokenizer, prompt)
        for index, answer in enumerate(decoded):
            if answer.repetitive:
                again = self._decode(self._encode([features[index]]), tokenizer, prompt, no_repeat_ngram_size=5)[0]
                decoded[index] = _Decoded([], again.likelihood, again.silence, 0.0) if again.repetitive else again
        words = self._timed(encoded, tokenizer, decoded, [feature.shape[-1] for feature in features])
        return Heard(language=language, language_score=score, clips=words, hints_cut=hints_cut)

    def _encode(self, features: Sequence[Any]) -> Any:
        """One run of the encoder. Clips are filled up with silence, alike, because they share the run."""
        extractor = self._whisper.feature_extractor
        silence = round(self._settings.asr_silence_seconds / extractor.time_per_frame)
        longest = min(max(feature.shape[-1] for feature in features) + silence, extractor.nb_max_frames)
        longest += longest % 2
        padded = [np.pad(feature, ((0, 0), (0, longest - feature.shape[-1]))) for feature in features]
        return self._whisper.encode(np.stack(padded))

    def _language(self, encoded: Any, given: str | None) -> tuple[str, float | None]:
        """The language and how likely it is over all that was encoded; None where there was nothing to guess."""
        if not self._whisper.model.is_multilingual:
            return "en", None
        if given is not None:
            return given, None
        totals: Counter[str] = Counter()
        guesses = self._whisper.model.detect_language(encoded)
        for guess in guesses:
            for token, probability in guess:
                totals[token.strip("<|>")] += probability
        language, total = totals.most_common(1)[0]
        return _STANDARD.get(language, language), round(total / len(guesses), 4)

    def _decode(self, encoded: Any, tokenizer: Any, prompt: Sequence[int], **options: int) -> list[_Decoded]:
        results = self._whisper.model.generate(
            encoded,
            [list(prompt) for _ in range(encoded.shape[0])],
            beam_size=self._settings.asr_beam_size,
            suppress_blank=True,
            suppress_tokens=self._transcribing.get_suppressed_tokens(tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        return [_judged(result, tokenizer) for result in results]

    def _timed(
        self, encoded: Any, tokenizer: Any, decoded: Sequence[_Decoded], lengths: Sequence[int]
    ) -> Sequence[Sequence[Word]]:
        """The words of each answer with their times, from the decoder's attention to the sound."""
        texts = [[] if answer.made_up else answer.tokens for answer in decoded]
        if not any(texts):
            return [() for _ in texts]
        pieces = self._whisper.find_alignment(tokenizer, texts, encoded, lengths)
        spaced = tokenizer.task == tokenizer.translate or tokenizer.language_code not in _WITHOUT_SPACES
        return [_glued(piece, spaced=spaced) for piece in pieces]

    def _folder(self) -> Path:
        """Where the model is."""
        name = self._settings.asr_model
        if "/" not in name:
            return locate(self._settings.models_dir, name)
        folder = Path(name).expanduser()
        if not (folder / "model.bin").is_file():
            raise ModelMissing(f"ASR_MODEL: there is no Whisper model for CTranslate2 in {folder}")
        return folder


def _prompt(tokenizer: Any, hints: Hints) -> tuple[list[int], bool]:
    """What the decoder is told to continue, and whether some of the hints found no place in it."""
    hotwords: list[int] = tokenizer.encode(f" {hints.hotwords.strip()}") if hints.hotwords else []
    before: list[int] = tokenizer.encode(f" {hints.prompt.strip()}") if hints.prompt else []
    kept_hotwords = hotwords[: _MOST_HINT_TOKENS // 2 if before else _MOST_HINT_TOKENS]
    kept_before = before[max(0, len(before) + len(kept_hotwords) - _MOST_HINT_TOKENS) :]
    told = [*kept_hotwords, *kept_before]
    start: list[int] = [tokenizer.sot_prev, *told] if told else []
    return [*start, *tokenizer.sot_sequence, tokenizer.no_timestamps], len(told) < len(hotwords) + len(before)


def _judged(result: Any, tokenizer: Any) -> _Decoded:
    tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
    length = len(result.sequences_ids[0])
    text = tokenizer.decode(tokens).strip().encode()
    return _Decoded(
        tokens=tokens,
        likelihood=result.scores[0] * length / (length + 1),
        silence=result.no_speech_prob,
        repetition=len(text) / len(zlib.compress(text)),
    )


def _glued(pieces: Sequence[Any], *, spaced: bool) -> list[Word]:
    """Words from the aligner's pieces: what has no space before it belongs to the word before, and punctuation to the
    word that it stands at in scripts without spaces."""
    words: list[Word] = []
    for piece in pieces:
        text = piece["word"]
        if not text:
            continue
        word = Word(text=text, start=float(piece["start"]), end=float(piece["end"]), score=float(piece["probability"]))
        if words and (not text.startswith(" ") if spaced else _belongs(words[-1].text, text)):
            word = _joined(words.pop(), word)
        words.append(word)
    return [word for word in words if word.text.strip()]


def _belongs(before: str, text: str) -> bool:
    return before.strip() in _PREPENDED or text.strip() in _APPENDED


def _joined(word: Word, more: Word) -> Word:
    """One word of two pieces. Punctuation makes it no less certain."""
    scores = [part.score for part in (word, more) if part.score is not None and any(map(str.isalnum, part.text))]
    return Word(
        text=word.text + more.text, start=word.start, end=max(word.end, more.end), score=min(scores, default=None)
    )
