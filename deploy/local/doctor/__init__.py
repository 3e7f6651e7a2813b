"""`voxmesh doctor`: what is wrong with this machine and the mesh that it uses, and what to do about it."""

from collections.abc import AsyncIterator, Mapping

from rich.console import Console
from rich.text import Text

from deploy.local import exits
from deploy.local.doctor.finding import Finding
from deploy.local.doctor.machine import address, disks, models, packages, processors_and_memory, python
from deploy.local.doctor.mesh import gateway, redis
from deploy.local.found import key_of, started_mesh
from shared.settings import BaseSettings, load

__all__ = ["doctor"]


async def doctor(environ: Mapping[str, str], *, url: str = "") -> int:
    """Print the findings: about this machine, its Redis, and the gateway at `url` or the one that runs here. 0 when all
    is well, 1 when something must be done."""
    console = Console(highlight=False)
    settings = load(BaseSettings, environ)
    ill = False
    async for finding in _examine(environ, settings, url or started_mesh(environ)):
        ill = ill or finding.remedy is not None
        console.print(_line(finding), soft_wrap=True)
    return exits.FAILED if ill else exits.DONE


def _line(finding: Finding) -> Text:
    mark = ("no ", "bold red") if finding.remedy else ("ok ", "bold green")
    line = Text.assemble(mark, f" {finding.subject:10} {finding.state}")
    return line.append(f"  -> {finding.remedy}", style="yellow") if finding.remedy else line


async def _examine(environ: Mapping[str, str], settings: BaseSettings, url: str) -> AsyncIterator[Finding]:
    yield python()
    for finding in (*packages(), *models(settings.models_dir)):
        yield finding
    for finding in await redis(environ, settings):
        yield finding
    if url:
        async for finding in gateway(url, api_key=key_of(environ)):
            yield finding
    else:
        yield address(environ)
    for finding in (*disks(environ, settings), *processors_and_memory()):
        yield finding
