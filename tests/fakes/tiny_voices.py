"""A pipeline of pyannote.audio for diarization, made in seconds, that knows a few voices.

Its segmentation is the real one that ships with WhisperX. What a voice sounds like is told by pyannote's own x-vector
network with random weights and a last layer that is fitted to the voices by least squares: each becomes a direction of
its own.
"""

import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from services.asr._pyannote import toolkit
from tests.fakes.recordings import RATE, Sound

_PIECE = RATE
_RIDGE = 0.1


def pipeline_of(folder: Path, voices: Sequence[Sound]) -> Path:
    """`folder` as that of a pipeline that tells `voices` from each other, each some ten seconds of speech."""
    for part in ("segmentation", "embedding"):
        (folder / part).mkdir(parents=True)
    (folder / "segmentation" / "pytorch_model.bin").symlink_to(str(files("whisperx") / "assets" / "pytorch_model.bin"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyannote's network wants finer tones than its window has
        model = _fitted(voices)
    _save(model, folder / "embedding" / "pytorch_model.bin")
    (folder / "config.yaml").write_text(
        """
        pipeline:
          name: pyannote.audio.pipelines.SpeakerDiarization
          params:
            clustering: AgglomerativeClustering
            segmentation: $model/segmentation
            embedding: $model/embedding
            embedding_exclude_overlap: true
        params:
          segmentation: {threshold: 0.5, min_duration_off: 0.0}
          clustering: {method: average, min_cluster_size: 3, threshold: 0.5}
        """
    )
    return folder


def _fitted(voices: Sequence[Sound]) -> Any:
    toolkit(threads=1)
    torch: Any = import_module("torch")
    xvector: Any = import_module("pyannote.audio.models.embedding.xvector")
    torch.manual_seed(1)
    model = xvector.XVectorMFCC(dimension=len(voices)).eval()
    statistics: list[Any] = []
    wanted: list[int] = []

    def keep(_: Any, given: Any, __: Any) -> None:
        statistics.append(given[0])

    model.embedding.register_forward_hook(keep)
    with torch.inference_mode():
        for number, voice in enumerate(voices):
            pieces = [voice[start : start + _PIECE] for start in range(0, len(voice) - _PIECE, _PIECE // 2)]
            model(torch.from_numpy(np.stack(pieces)[:, None]))
            wanted += [number] * len(pieces)
    heard = torch.cat(statistics).double()
    middle, spread = heard.mean(0), heard.std(0) + 1e-6
    scaled = (heard - middle) / spread
    aim = torch.eye(len(voices)).double()[wanted]
    # Fewer pieces than numbers that describe them: solved by way of the pieces.
    inner = scaled @ scaled.T
    inner += _RIDGE * inner.diag().mean() * torch.eye(len(scaled)).double()
    weights = (scaled.T @ torch.linalg.solve(inner, aim - aim.mean(0))) / spread[:, None]
    model.embedding.weight.data = weights.T.float()
    model.embedding.bias.data = -(middle @ weights).float()
    return model


def _save(model: Any, file: Path) -> None:
    """As pyannote's trainer saves a model."""
    torch: Any = import_module("torch")
    task: Any = import_module("pyannote.audio.core.task")
    model.specifications = task.Specifications(
        problem=task.Problem.REPRESENTATION, resolution=task.Resolution.CHUNK, duration=2.0
    )
    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": import_module("lightning").__version__,
        "epoch": 0,
        "global_step": 0,
    }
    model.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, file)
