"""`python -m tests.fetching`: fetch everything. Status 1 when something cannot be had; each such thing is told."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.chart import tools
from tests.fetching import FOLDER, Unavailable, debian, npm

EVERYTHING: Sequence[Callable[[], object]] = (
    *(partial(tools.helm, version) for version in tools.HELM),
    partial(tools.definitions, tools.KUBERNETES[0]),
    tools.checkov,
    debian.promtool,
    debian.redis,
    npm.openai,
)


def main() -> int:
    """The exit status."""
    missing = 0
    with ThreadPoolExecutor() as threads:
        for fetched in [threads.submit(fetch) for fetch in EVERYTHING]:
            try:
                fetched.result()
            except Unavailable as error:
                missing = 1
                print(error, file=sys.stderr)
    print(f"fetched into {FOLDER}" if not missing else "not all could be fetched")
    return missing


if __name__ == "__main__":
    sys.exit(main())
