"""Puts a mesh through ordeals and prints what they were like: `python -m tests.chaos.drive --seeds 10 --tasks 300`.

Exits with 1 when anything was lost, came twice or was left behind.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from shared import logs
from shared.settings import BaseSettings
from tests.chaos.ordeal import Row, mesh_in_peace
from tests.chaos.trials import quick, real

_HEAD = "seed  tasks  struck  attempts  by id  by fence  resumed  recovery  seconds  verdict"
_NOTE = """
by id     records that were refused because they were there already
by fence  attempts that were refused because another had taken over
resumed   streams that were opened again behind the last event that their clients had had
recovery  the longest time for which the work of a killed worker lay, while Redis could be reached"""


def _line(row: Row) -> str:
    verdict = f"{len(row.faults)} FAULTS" if row.faults else "good"
    return (
        f"{row.seed:4}  {row.tasks:5}  {sum(row.struck.values()):6}  {row.attempts:8}  {row.refused_by_id:5}  "
        f"{row.refused_by_fence:8}  {row.resumed:7}  {row.recovery_seconds:6.1f} s  {row.seconds:7.0f}  {verdict}"
    )


async def drive(*, first: int, seeds: int, tasks: int, rounds: int, per_stage: int, with_models: bool) -> bool:
    """Whether all was well with each seed."""
    well = True
    with TemporaryDirectory(prefix="voxmesh-chaos-") as folder:
        async with mesh_in_peace(Path(folder), real() if with_models else quick(per_stage)) as (ordeal, crowd):
            print(_HEAD, flush=True)
            for seed in range(first, first + seeds):
                row = await ordeal.suffer(crowd, seed=seed, tasks=tasks, rounds=rounds)
                print(_line(row), *row.faults, sep="\n      ", flush=True)
                well = well and not row.faults
            print(_NOTE)
    return well


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=300, help="tasks and calls for each seed")
    parser.add_argument("--rounds", type=int, default=4, help="for each seed, how often each misfortune happens")
    parser.add_argument("--per-stage", type=int, default=4, help="workers of each stage")
    parser.add_argument(
        "--with-models", action="store_true", help="real engines, two workers of each stage, and recordings of a minute"
    )
    logs.configure(BaseSettings(log_level="error"), service="chaos")
    sys.exit(not asyncio.run(drive(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
