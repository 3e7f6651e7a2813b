"""`voxmesh demo`: one recording through the whole mesh, shown as it happens."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from deploy.local import mesh
from deploy.local.screen import Screen
from deploy.local.stream import Order, follow, open_client, submit
from deploy.local.terminal import tell
from shared.errors import MeshError
from shared.messages import Step


async def demo(order: Order, environ: Mapping[str, str], *, url: str = "", port: int = 0, as_json: bool = False) -> int:
    """Print the stream of `order`, through the mesh at `url` or one of its own. Answers the exit status."""
    if url:
        return await run(url, order, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="voxmesh-demo-") as home:
        plan = mesh.plan(Path(home), environ, port=port)
        tell("starting the mesh")
        async with mesh.running(plan, tell=tell) as started:
            return await started.keep_while(run(started.url, order, as_json=as_json))


async def run(url: str, order: Order, *, as_json: bool) -> int:
    """Submit `order` to the gateway at `url` and print each event. 0 when the task completes, 1 when it does not."""
    try:
        async with open_client(url) as http:
            task_id = await submit(http, order)
            with Screen(Console(highlight=False)) as screen:
                step = None
                async for line in follow(http, task_id):
                    step = line.event.step
                    if as_json:
                        print(line.data, flush=True)
                    else:
                        screen.show(line)
    except MeshError as error:
        tell(f"voxmesh: {error.message} ({error.code})")
        return 1
    return 0 if step is Step.COMPLETED else 1


@contextmanager
def sample() -> Generator[Path]:
    """The recording that comes with voxmesh, for the time of the block."""
    with as_file(files("deploy.local").joinpath("sample.ogg")) as path:
        yield path
