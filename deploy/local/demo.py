"""`voxmesh demo`: one recording through the whole mesh, shown as it happens."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.local import mesh
from deploy.local.found import key_of
from deploy.local.languages import check_languages, check_pair
from deploy.local.screen import Screen
from deploy.local.terminal import tell
from shared.client import MeshClient, Options, gateway_url
from shared.errors import MeshError, SettingsError
from shared.messages import Step


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, what to ask for, and whether to print it as JSON."""

    file: Path
    options: Options
    as_json: bool = False


async def demo(order: Order, environ: Mapping[str, str], *, url: str = "", port: int = 0) -> int:
    """Print the stream of `order`, through the mesh at `url` or one of its own. Answers the exit status."""
    api_key = key_of(environ)
    if url:
        try:
            gateway_url(url)
        except ValueError as error:
            raise SettingsError(f"--url: {error}") from error
        return await run(url, order, api_key=api_key)
    options = order.options
    language, target = options.get("language", ""), options.get("target_language", "")
    check_languages({"--language": language, "--target": target})
    if options.get("include_translation"):
        check_pair(environ, language, target, option="--target" if target else "--language, without --no-translation")
    with tempfile.TemporaryDirectory(prefix="voxmesh-demo-") as home:
        plan = mesh.plan(Path(home), environ, port=port)
        tell("starting the mesh")
        async with mesh.running(plan, tell=tell) as started:
            return await started.keep_while(run(started.url, order, api_key=api_key))


async def run(url: str, order: Order, *, api_key: str = "") -> int:
    """Submit `order` to the gateway at `url` and print each event. 0 when the task completes, 1 when it does not."""
    try:
        async with MeshClient(url, api_key=api_key) as client:
            task_id = await client.submit(order.file, **order.options)
            with Screen(Console(highlight=False)) as screen:
                step = None
                async for update in client.events(task_id):
                    step = update.step
                    if order.as_json:
                        print(update.data.decode(), flush=True)
                    else:
                        screen.show(update)
    except MeshError as error:
        whose = "VOXMESH_KEY: " if error.code in {"key_missing", "key_unknown"} else ""
        tell(f"voxmesh: {whose}{error.message} ({error.code})")
        return 1
    return 0 if step is Step.COMPLETED else 1


@contextmanager
def sample() -> Generator[Path]:
    """The recording that comes with voxmesh, for the time of the block."""
    with as_file(files("deploy.local").joinpath("sample.ogg")) as path:
        yield path
