"""Models of the nlp stage that are trained here for seconds, loaded as the settings say."""

import random
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import pytest

from services.nlp.engine import make_engine
from services.nlp.protocol import Engine
from services.nlp.settings import Settings
from shared.errors import SettingsError
from shared.inference.device import Unusable
from tests.fakes.tiny_models import filler, sentences_of


def loaded(**chosen: object) -> Engine:
    """The engine with one part as it is chosen and loaded; the other parts are not."""
    settings = Settings(worker_threads=1, **chosen)  # pyright: ignore[reportArgumentType]
    engine = make_engine(settings)
    (part,) = (name.split("_")[1] for name in chosen if name.endswith("_engine"))
    getattr(engine, f"_{part}").load()
    return engine


def talk(count: int, *, seed: int) -> str:
    return " ".join(sentences_of(filler(random.Random(seed), count)))


class Cramped:
    """A model on a card whose memory does for `most` texts at a time. `asked` is how many it got each time."""

    def __init__(self, model: Any, *, most: int) -> None:
        self.asked: list[int] = []
        self._model = model
        self._most = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **tokens: Any) -> Any:
        return self._fitting(self._model, tokens["input_ids"], **tokens)

    def generate(self, **tokens: Any) -> Any:
        return self._fitting(self._model.generate, tokens["input_ids"], **tokens)

    def inference(self, texts: Sequence[str], *rest: Any, **options: Any) -> Any:
        return self._fitting(self._model.inference, texts, texts, *rest, **options)

    def _fitting(self, function: Callable[..., Any], rows: Any, *positional: Any, **named: Any) -> Any:
        torch: Any = import_module("torch")
        self.asked.append(len(rows))
        if len(rows) > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity …")
        return function(*positional, **named)


def gives_way_to_a_small_card(ask: Callable[[Engine], object], part: str, **chosen: object) -> None:
    """Fails unless a question that takes eight texts or more at once has the same answer on a card that does for four,
    is asked in fours from then on, and a card that does not even do for those is given up, and with it the process."""
    engine = loaded(**chosen)
    roomy = ask(engine)
    model = cramped(engine, part, most=4)
    assert ask(engine) == roomy
    assert model.asked[:2] == [8, 4]
    model.asked.clear()
    assert ask(engine) == roomy
    assert max(model.asked) == 4
    engine = loaded(**chosen)
    model = cramped(engine, part, most=1)
    with pytest.raises(Unusable):
        ask(engine)
    assert model.asked == [8, 4]


def misses_its_card(part: str, **chosen: object) -> None:
    """Fails unless `NLP_DEVICE` reaches the library, and what that says is told with the variable of the model."""
    torch: Any = import_module("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    with pytest.raises(SettingsError, match=rf"^NLP_{part.upper()}_MODEL: cannot load .* on cuda: "):
        loaded(nlp_device="cuda", **chosen)


def cramped(engine: Engine, part: str, *, most: int) -> Cramped:
    """The model of one part of the engine, on a small card from now on."""
    of_part: Any = getattr(engine, f"_{part}")
    of_part._model = Cramped(of_part._model, most=most)
    return of_part._model
