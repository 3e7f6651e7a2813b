"""Who speaks when, by a pipeline of pyannote.audio: segmentation, voice prints and clustering are its own.

The pipeline takes a whole recording at once. Here its parts are asked one after the other, so that a stage can hear the
recording in windows, stop and continue; what comes out at the end is the same.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.asr._clips import RATE, Samples
from services.asr._pyannote import on_device, toolkit
from services.asr._voices import NOBODY, Persons, Spell, Voices
from shared.errors import ModelMissing, SettingsError
from shared.inference.device import give_way
from shared.inference.portions import Portions
from shared.models.store import find

VARIABLE = "ASR_DIARIZE_MODEL"
_CLUSTERINGS = ("AgglomerativeClustering", "VBxClustering")
_EUCLIDEAN = ("centroid", "median", "ward")
_STRANGENESS = 0.6
"""Where the pipeline's own clustering does not go by a cosine distance between voice prints."""
_MOST_COMPARED = 4_000
"""Voice prints that are compared each with each, which takes the square of their number in memory and time. The others,
of recordings over an hour or so, are taken for the one among the speakers found to whom they are nearest."""

_Filtered = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


class Pyannote:
    """The pipeline in a folder. Implements `Diarizer`."""

    def __init__(self, models_dir: Path, name: str, *, device: str, threads: int, batch_size: int) -> None:
        """`name` is that of the folder, as the setting has it; `batch_size`, how many windows are computed at once.

        Raises `ModelMissing` when there is no such folder."""
        self._models_dir = models_dir
        self.name = Path(name).name
        self._folder = find(models_dir, name, variable=VARIABLE)
        self.device = device
        self.threads = threads
        self._portions = Portions(batch_size)
        self.pipeline: Any = None
        self._segmentation: Any = None
        self._embedding: Any = None
        self._least_samples = 0
        self._library: Any = None
        self._torch: Any = None
        self._core: Any = None

    def load(self) -> None:
        """Load all models. Raises `ModelMissing` when one is not there, `SettingsError` when this is no pipeline for
        diarization, or does not run on the device."""
        self._library = toolkit(threads=self.threads)
        self._torch, self._core = import_module("torch"), import_module("pyannote.core")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions, which are checked by loading
                self.pipeline = self._load_pipeline()
                on_device(self.pipeline, self.device, variable=VARIABLE)
                # There is no other name for its models.
                self._segmentation = self.pipeline._segmentation  # noqa: SLF001
                self._embedding = self.pipeline._embedding  # noqa: SLF001
                self._least_samples = int(self._embedding.min_num_samples)
        except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError) as error:
            raise SettingsError(f"{VARIABLE}: cannot load {self._folder}: {error}") from error
        clustering = self.pipeline.clustering
        clustering.filter_embeddings = partial(_thinned, clustering.filter_embeddings)

    def _load_pipeline(self) -> Any:
        """The pipeline with its models. Raises as `load` does, or whatever the library raises."""
        return self._library.Pipeline.from_pretrained(_on_disk(self._models_dir, self._folder))

    @property
    def window(self) -> int:
        return round(self._segmentation.duration * RATE)

    @property
    def step(self) -> int:
        return round(self._segmentation.step * RATE)

    @property
    def strangeness(self) -> float:
        clustering = self.pipeline.clustering
        by_cosine = self.pipeline.klustering == _CLUSTERINGS[0] and clustering.method not in _EUCLIDEAN
        return float(clustering.threshold) if by_cosine else _STRANGENESS

    def hear(self, windows: Sequence[Samples]) -> Sequence[Voices]:
        """The voices of each window. pyannote would make a print also of each voice that is silent; here it is not."""
        scores = np.stack(self._portions.compute(self._scores, windows))
        active = scores > (0.5 if self._powerset else self.pipeline.segmentation.threshold)
        heard = [(int(row), int(voice)) for row, voice in np.argwhere(active.any(axis=1))]
        prints = np.full((len(windows), active.shape[2], self._embedding.dimension), np.nan, np.float32)
        masks = [(windows[row], self._mask(active[row], voice)) for row, voice in heard]
        for (row, voice), own in zip(heard, self._portions.compute(self._prints, masks), strict=True):
            prints[row, voice] = own
        rows = zip(scores.astype(np.float16), active, prints, strict=True)
        return [Voices(own_scores, own_active, own_prints) for own_scores, own_active, own_prints in rows]

    def tell_apart(self, voices: Sequence[Voices], *, least: int | None, most: int | None) -> Persons:
        prints = np.stack([window.prints for window in voices])
        active = np.stack([window.active for window in voices])
        windows = self._windows(active.astype(np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numbers that are none: voices that are not heard
            compared, _, _ = self.pipeline.clustering.filter_embeddings(prints, segmentations=windows)
            persons, _, _ = self.pipeline.clustering(
                embeddings=prints,
                segmentations=windows,
                # There are no more persons than prints to compare; not every clustering takes that for granted.
                min_clusters=max(1, min(least or 1, len(compared))),
                max_clusters=most or math.inf,
            )
        return np.where(active.any(axis=1), persons, NOBODY).astype(np.int64)

    def spells(self, voices: Sequence[Voices], persons: Persons) -> Sequence[Spell]:
        if (persons == NOBODY).all():
            return []
        active = self._windows(np.stack([window.active for window in voices]).astype(np.float32))
        scores = self._windows(np.stack([window.scores for window in voices]).astype(np.float32))
        frames = self._segmentation.model.receptive_field
        count = self.pipeline.speaker_count(active, frames, warm_up=(0.0, 0.0))
        count.data = np.minimum(count.data, 1).astype(np.int8)
        found = self.pipeline.to_annotation(self.pipeline.reconstruct(scores, persons, count))
        spells = [Spell(turn.start, turn.end, int(person)) for turn, _, person in found.itertracks(yield_label=True)]
        return _joined(spells, self.pipeline.segmentation.min_duration_off)

    @property
    def _powerset(self) -> bool:
        return bool(self._segmentation.model.specifications.powerset)

    def _scores(self, windows: Sequence[Samples]) -> Sequence[Samples]:
        give_way()
        return list(self._segmentation.infer(self._torch.from_numpy(np.stack(windows)[:, None])))

    def _mask(self, active: NDArray[np.bool_], voice: int) -> Samples:
        """The frames in which `voice` is to be heard: those in which it is alone, where the pipeline wants that and
        they are enough."""
        own = active[:, voice]
        if self.pipeline.embedding_exclude_overlap:
            alone = own & (active.sum(axis=1) == 1)
            least = math.ceil(len(own) * self._least_samples / self.window)
            own = alone if alone.sum() > least else own
        return own.astype(np.float32)

    def _prints(self, masked: Sequence[tuple[Samples, Samples]]) -> Sequence[Samples]:
        give_way()
        samples = self._torch.from_numpy(np.stack([samples for samples, _ in masked])[:, None])
        masks = self._torch.from_numpy(np.stack([mask for _, mask in masked]))
        return list(self._embedding(samples, masks=masks))

    def _windows(self, values: NDArray[Any]) -> Any:
        """`values`, a row for each window, as pyannote wants them."""
        step = self._segmentation.step
        windows = self._core.SlidingWindow(start=0.0, duration=self._segmentation.duration, step=step)
        return self._core.SlidingWindowFeature(values, windows)


def _joined(spells: Sequence[Spell], pause: float) -> Sequence[Spell]:
    """`spells` without the shorter pauses of those who go on themselves. pyannote closes a pause also where another
    speaks in it: two would speak at a time."""
    joined: list[Spell] = []
    for spell in sorted(spells, key=lambda spell: spell.start):
        last = joined[-1] if joined else None
        if last and last.person == spell.person and spell.start - last.end < pause:
            joined[-1] = Spell(last.start, spell.end, spell.person)
        else:
            joined.append(spell)
    return joined


def _thinned(kept: Callable[..., _Filtered], *args: Any, **kwargs: Any) -> _Filtered:
    """What pyannote compares with each other, but no more than is bearable: evenly taken from the whole recording."""
    prints, windows, voices = kept(*args, **kwargs)
    every = -(-len(prints) // _MOST_COMPARED) or 1
    return prints[::every], windows[::every], voices[::every]


def without_plda() -> Any:
    """What stands for the PLDA of a pipeline whose clustering never asks it: the class wants one, and brings it from a
    hub if it gets none."""
    plda = import_module("pyannote.audio.core.plda").PLDA
    return plda.__new__(plda)


def _on_disk(models_dir: Path, folder: Path) -> dict[str, Any]:
    """The configuration of the pipeline, its parts named by where they are on this machine: nothing is left that the
    library would look for on a hub."""
    file = folder / "config.yaml"
    if not file.is_file():
        raise ModelMissing(f"{VARIABLE}: there is no pipeline of pyannote.audio in {folder}: config.yaml is missing")
    yaml = import_module("yaml")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        params = config["pipeline"]["params"]
        if params["clustering"] not in _CLUSTERINGS:
            raise ValueError(f"clustering is to be one of {', '.join(_CLUSTERINGS)}")
        for part in ("segmentation", "embedding"):
            params[part] = {"checkpoint": str(_part(models_dir, folder, params[part]))}
        if "plda" in params:
            params["plda"] = {"checkpoint": str(_part(models_dir, folder, params["plda"]))}
        elif params["clustering"] == _CLUSTERINGS[1]:
            raise ValueError("VBxClustering needs a plda")
        else:
            params["plda"] = without_plda()
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{VARIABLE}: {file} is not that of a pipeline for diarization: {error}") from error
    return config


def _part(models_dir: Path, folder: Path, name: str) -> Path:
    """Where the part of the pipeline is that its configuration calls `name`: within it, elsewhere, or a model of a hub
    that has been pulled. Raises `ModelMissing` when it is not there."""
    inside = folder / name.removeprefix("$model/")
    if inside.exists():
        return inside
    if name.startswith(("$model/", "/", ".")):
        raise ModelMissing(f"{VARIABLE}: {inside} is missing")
    return find(models_dir, name, variable=VARIABLE)
