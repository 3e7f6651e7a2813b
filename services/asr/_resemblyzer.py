"""Who speaks when without a pipeline of its own: voices are found by the segmentation model that ships with WhisperX,
compared by the encoder of Resemblyzer, and told apart by pyannote's clustering.

The encoder is that of "Generalized End-to-End Loss for Speaker Verification" (Wan et al., 2018): an LSTM that reads
1.6 s of a mel spectrogram and ends at a point on a sphere, near those of the same voice.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.asr._clips import RATE, Samples
from services.asr._diarizer import VARIABLE, Pyannote, without_plda
from services.asr._voices import Persons, Voices
from shared.errors import SettingsError
from shared.models.store import unloadable

WEIGHTS = "pretrained.pt"
_BANDS, _UNITS, _LAYERS = 40, 256, 3
_HOP, _SPECTRUM = RATE // 100, RATE // 40
_PIECE = 160
"""Frames that the encoder reads at once, as it did when it was trained: 1.6 s."""
_LOUDNESS = 10 ** (-30 / 20)
"""The root mean square to which voices are brought: the encoder takes another volume for another voice."""
_STEP = 0.2
"""Windows of the segmentation begin after this share of one: 1 s."""
_CLUSTERING: dict[str, Any] = {"method": "centroid", "threshold": 0.48, "min_cluster_size": 8}
"""Found with conversations of real voices: see docs/models.md. Who is heard in fewer windows than these is taken for
the nearest of the others …"""
_SHARE, _MOST_STRAYS = 50, 20
"""… and in long recordings in fewer than one of so many, up to so many windows: the longer somebody speaks, the more
prints there are that are unlike the voice, and alike among themselves."""
_STRANGENESS = 0.25
"""More than between two prints of one voice, as a rule, and less than between voices."""


class VoiceEncoder:
    """What voices are like. It is called as pyannote calls its own encoders."""

    dimension = _UNITS
    metric = "cosine"
    min_num_samples = RATE // 2
    """Of a shorter voice there is no print."""

    def __init__(self, weights: Path, *, device: str) -> None:
        """Raises whatever torch raises for a file that is no such model."""
        self._torch: Any = import_module("torch")
        self._device: Any = self._torch.device(device)
        layers: Any = self._torch.nn
        state = self._torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self._lstm = layers.LSTM(_BANDS, _UNITS, _LAYERS, batch_first=True)
        self._linear = layers.Linear(_UNITS, _UNITS)
        for name, layer in (("lstm.", self._lstm), ("linear.", self._linear)):
            own = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
            layer.load_state_dict(own)
            layer.to(self._device).eval()
        self._mel = import_module("torchaudio.transforms").MelSpectrogram(
            RATE,
            n_fft=_SPECTRUM,
            hop_length=_HOP,
            n_mels=_BANDS,
            norm="slaney",
            mel_scale="slaney",
            pad_mode="constant",
        )

    def __call__(self, waveforms: Any, masks: Any) -> NDArray[np.float32]:
        """A print for each row of `waveforms`, of the frames that its row of `masks` keeps: the mean of its pieces.
        Not a number where that is too little."""
        prints = np.full((len(waveforms), self.dimension), np.nan, np.float32)
        with self._torch.inference_mode():
            pieces = [self._pieces(*pair) for pair in zip(waveforms[:, 0], masks, strict=True)]
            counts = [len(own) for own in pieces]
            if not any(counts):
                return prints
            points = self._points(self._torch.cat(pieces).to(self._device)).cpu().numpy()
        start = 0
        for row, count in enumerate(counts):
            if count:
                mean = points[start : start + count].mean(axis=0)
                prints[row] = mean / max(float(np.linalg.norm(mean)), 1e-9)
            start += count
        return prints

    def _pieces(self, samples: Any, mask: Any) -> Any:
        """The spectrogram of what is kept, as loud as voices are to be, in pieces that overlap by half; the last one
        ends where it ends. What is shorter than a piece is repeated."""
        kept = self._stretched(mask, len(samples))
        if int(kept.sum()) < self.min_num_samples:
            return self._torch.zeros(0, _PIECE, _BANDS)
        power = samples[kept].square().mean().clamp(min=1e-12)
        bands = self._mel(samples).T[: len(samples) // _HOP]
        bands = bands[self._stretched(mask, len(bands))] * (_LOUDNESS**2 / power)
        if len(bands) < _PIECE:
            bands = bands.repeat(-(-_PIECE // len(bands)), 1)[:_PIECE]
        starts = [*range(0, len(bands) - _PIECE, _PIECE // 2), len(bands) - _PIECE]
        return self._torch.stack([bands[start : start + _PIECE] for start in starts])

    def _stretched(self, mask: Any, length: int) -> Any:
        """`mask` for so many frames of another kind."""
        resized = self._torch.nn.functional.interpolate(mask[None, None].float(), size=length, mode="nearest")
        return resized[0, 0] > 0.5

    def _points(self, pieces: Any) -> Any:
        _, (hidden, _) = self._lstm(pieces)
        points = self._torch.relu(self._linear(hidden[-1]))
        return points / points.norm(dim=1, keepdim=True).clamp(min=1e-9)


class Resemblyzer(Pyannote):
    """The encoder in a folder, and what ships with WhisperX. Implements `Diarizer`."""

    @property
    def strangeness(self) -> float:
        return _STRANGENESS

    def hear(self, windows: Sequence[Samples]) -> Sequence[Voices]:
        """As it says there. On one thread of a processor: networks so small wait longer for each other's threads than
        they compute, several times as long where other processes want the processors as well."""
        torch = import_module("torch")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().hear(windows)
        finally:
            torch.set_num_threads(threads)

    def tell_apart(self, voices: Sequence[Voices], *, least: int | None, most: int | None) -> Persons:
        enough = max(_CLUSTERING["min_cluster_size"], min(len(voices) // _SHARE, _MOST_STRAYS))
        self.pipeline.clustering.min_cluster_size = enough
        return super().tell_apart(voices, least=least, most=most)

    def _load_pipeline(self) -> Any:
        pipelines = import_module("pyannote.audio.pipelines")
        clusterings = import_module("pyannote.audio.pipelines.clustering")
        pipeline = pipelines.SpeakerDiarization(
            segmentation=str(files("whisperx") / "assets" / "pytorch_model.bin"),
            segmentation_step=_STEP,
            embedding_exclude_overlap=True,
            clustering="OracleClustering",  # so that it loads no encoder; it gets its own, and a clustering, here
            plda=without_plda(),
        )
        pipeline.klustering = "AgglomerativeClustering"
        pipeline.clustering = clusterings.AgglomerativeClustering(metric=VoiceEncoder.metric)
        pipeline.instantiate({"segmentation": {"threshold": 0.5, "min_duration_off": 0.0}, "clustering": _CLUSTERING})
        pipeline._embedding = self._encoder()  # noqa: SLF001 - where the library looks for it
        return pipeline

    def _encoder(self) -> VoiceEncoder:
        try:
            return VoiceEncoder(self._folder / WEIGHTS, device=self.device)
        except (OSError, ValueError, KeyError, RuntimeError, AssertionError, EOFError, UnpicklingError) as error:
            raise unloadable(self._models_dir, self.name, error) or SettingsError(
                f"{VARIABLE}: cannot load {self._folder}: {error}"
            ) from error
