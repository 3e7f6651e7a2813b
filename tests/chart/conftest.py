"""The tests of the chart need helm, and are skipped where it cannot be had."""

import pytest

from tests.chart import tools
from tests.fetching import Unavailable, leave_out


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    try:
        for version in tools.HELM:
            tools.helm(version)
        for version in tools.KUBERNETES:
            tools.definitions(version)
    except Unavailable as error:
        leave_out(error)
