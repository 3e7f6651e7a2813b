"""What the models that run on PyTorch have in common: how they are loaded, and how much they can read at once."""

import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from services.nlp.settings import Settings
from shared.errors import SettingsError
from shared.inference.device import give_way
from shared.inference.portions import Portions
from shared.models.store import find, unloadable

I = TypeVar("I")  # noqa: E741 - input and output of a model
O = TypeVar("O")  # noqa: E741

_LONGEST = 512
"""Tokens that a model reads at once when it does not say."""
_RESERVED = 2
"""RoBERTa and its kind count positions from 2, so that the last two of those that they name do not exist."""


def folder_of(settings: Settings, *, variable: str) -> Path:
    """Where the model lies that the setting `variable` names. Raises `SettingsError` when it names none, `ModelMissing`
    with what to do when it is not there."""
    name = getattr(settings, variable.lower())
    if not name:
        raise SettingsError(f"{variable}: this engine needs a model; name a folder or a model of `voxmesh models list`")
    return find(settings.models_dir, name, variable=variable)


@contextmanager
def loading(settings: Settings, *, variable: str) -> Generator[None]:
    """Around the libraries' own loading: quiet, with the threads of the settings. What they raise becomes
    `ModelMissing` when a file is damaged, else `SettingsError`: another kind of model, or no such device."""
    import torch
    import transformers

    torch.set_num_threads(settings.threads)
    library: Any = transformers  # its own annotations are partial
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about each other's versions; nothing that a person here could act on
            yield
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        name = getattr(settings, variable.lower())
        if missing := unloadable(settings.models_dir, name, error):
            raise missing from error
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SettingsError(f"{variable}: cannot load {name} on {settings.nlp_device}: {reason}") from error


def room(tokenizer: Any, config: Any) -> int:
    """Tokens that the model reads at once, special ones included."""
    places = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    named = (tokenizer.model_max_length, places - _RESERVED if places and places > _RESERVED else None)
    # A tokenizer that knows no limit says 10^30.
    return min([each for each in named if each and each < 1_000_000], default=_LONGEST)


def computed(
    function: Callable[[Sequence[I]], Sequence[O]],
    items: Sequence[I],
    *,
    portions: Portions,
    weight: Callable[[I], int],
) -> list[O]:
    """What `function` answers for `items`, in their order. It is asked for those of like weight together, which pads
    least, and for fewer once the memory of the device has run out. Between its calls the device is given up when nobody
    waits any more."""
    order = sorted(range(len(items)), key=lambda place: weight(items[place]))

    def compute(batch: Sequence[I]) -> Sequence[O]:
        give_way()
        return function(batch)

    answers = portions.compute(compute, [items[place] for place in order])
    return [answer for _, answer in sorted(zip(order, answers, strict=True), key=lambda pair: pair[0])]


def listed_languages(languages: str) -> tuple[str, ...]:
    """The codes of a setting, in lower case."""
    return tuple(code.strip().lower() for code in languages.split(",") if code.strip())
