"""`voxmesh up`: the whole mesh until it is told to stop."""

import asyncio
from collections.abc import Mapping

from deploy.local import mesh
from deploy.local.home import claimed, default_home
from deploy.local.terminal import tell


async def up(environ: Mapping[str, str], *, host: str, port: int) -> int:
    """Run the mesh on `host`:`port`; print one line when a task could be taken and finished. Ends by cancellation."""
    home = default_home(environ)
    with claimed(home):
        plan = mesh.plan(home, environ, host=host, port=port)
        tell(f"starting the mesh; its logs are in {home / 'logs'}")
        async with mesh.running(plan, tell=tell) as started:
            print(f"ready {started.url}", flush=True)
            await started.keep_while(asyncio.Event().wait())
    return 0
