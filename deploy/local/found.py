"""Which mesh runs on this machine already."""

import re
from collections.abc import Mapping

import httpx

from deploy.local.home import default_home
from deploy.local.port import address, reachable

_PATIENCE_SECONDS = 2.0


async def running_mesh(environ: Mapping[str, str]) -> str:
    """The address of the mesh that `voxmesh up` has started and that is ready; empty when there is none."""
    try:
        text = (default_home(environ) / "env").read_text()
    except OSError:
        return ""
    found = dict(re.findall(r"^export (HOST|PORT)='?([^'\n]*)'?$", text, re.MULTILINE))
    if found.keys() < {"HOST", "PORT"} or not found["PORT"].isdecimal():
        return ""
    url = address(reachable(found["HOST"]), int(found["PORT"]))
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            response = await client.get("/health/ready")
    except httpx.HTTPError:  # it was killed, and left its file behind
        return ""
    return url if response.is_success else ""
