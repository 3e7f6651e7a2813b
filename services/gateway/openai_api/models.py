"""Models, as OpenAI's clients ask for them: those that the workers run, and names that stand for whatever they run."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from litestar import get
from litestar.params import FromPath

from services.gateway.fleet import View
from services.gateway.parameters import ANY_QUERY
from services.gateway.problems import Problem
from services.gateway.runtime import Injected
from services.gateway.settings import Settings
from shared.messages import Message


class Model(Message, frozen=True, omit_defaults=False):
    """A name that `model` may have. When a model was made nobody tells: `created` is 0."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "voxmesh"


class ModelList(Message, frozen=True, omit_defaults=False):
    """All of them."""

    data: tuple[Model, ...]
    object: str = "list"


def names_of(view: View, settings: Settings) -> Sequence[str]:
    """What `model` may be: first the recognisers' own names."""
    own = [kind.model for kind in view.offered.asr if kind.model]
    aliases = [name.strip() for name in settings.openai_models.split(",")]
    return tuple(dict.fromkeys(name for name in (*own, *aliases) if name))


def check_model(name: str, view: View, settings: Settings) -> None:
    """Raises `Problem` with 404 for a model that is not here. Where no worker is known, any may come; an empty name
    stands for whatever runs."""
    known = all(kind.model for kind in view.offered.asr) and view.offered.asr
    names = names_of(view, settings)
    if name and known and name not in names:
        detail = f"There is no model '{name[:100]}' here. On offer: {', '.join(names)}."
        raise Problem(404, "model_not_found", detail, field="model", offered=names)


@get("/v1/models", opt=ANY_QUERY, summary="The models", tags=["openai"])
async def list_models(runtime: Injected) -> ModelList:
    """The names that `model` may have."""
    names = names_of(await runtime.fleet.view(), runtime.settings)
    return ModelList(data=tuple(Model(id=name) for name in names))


@get("/v1/models/{name:path}", opt=ANY_QUERY, summary="A model", tags=["openai"])
async def one_model(name: FromPath[PurePosixPath], runtime: Injected) -> Model:
    """One of them; its name may have slashes in it."""
    wanted = str(name).removeprefix("/")
    names = names_of(await runtime.fleet.view(), runtime.settings)
    if wanted not in names:
        detail = f"There is no model '{wanted[:100]}' here. On offer: {', '.join(names)}."
        raise Problem(404, "model_not_found", detail, field="model", offered=names)
    return Model(id=wanted)
