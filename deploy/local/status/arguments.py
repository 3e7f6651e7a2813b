"""The command line of `voxmesh status`."""

import argparse
from collections.abc import Mapping

from shared.errors import SettingsError

DESCRIPTION = """Show queues, workers, leases and rates of a mesh: on a terminal a table that is kept up to date until
Ctrl-C, elsewhere a snapshot. Without --url (or VOXMESH_URL) it is the mesh of `voxmesh up`, else the gateway on PORT
of this machine. VOXMESH_KEY is the API key: without it, engines stay unknown where keys are asked for."""
_MOST_SECONDS = 86_400
EPILOG = """exit status: 0 the mesh works; 1 it cannot: it is not ready, or a stage has jobs and no worker; 2 usage;
3 no gateway answers"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--url", default="", help="the gateway to ask: http://host:8000 (VOXMESH_URL)")
    parser.add_argument("--once", action="store_true", help="print a snapshot, on a terminal, too")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print a snapshot as a line of JSON")
    parser.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="how often to look (2)")
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from deploy.local.status.show import status
    from deploy.local.terminal import run

    if not 0 < arguments.interval <= _MOST_SECONDS:
        raise SettingsError(f"--interval: it must be more than 0, and at most {_MOST_SECONDS}")
    url = arguments.url or environ.get("VOXMESH_URL", "")
    shown = status(
        environ, url=url, once=arguments.once, as_json=arguments.as_json, interval_seconds=arguments.interval
    )
    return run(shown, stopped=0)  # Ctrl-C is how one leaves the table
