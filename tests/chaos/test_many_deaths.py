"""Every one to two seconds something dies, stalls or is cut off, while people use the mesh."""

from pathlib import Path

import pytest

from tests.chaos.ordeal import mesh_in_peace
from tests.chaos.trials import quick

SEED = 11


@pytest.mark.slow
async def test_no_misfortune_is_seen_in_what_people_and_tasks_are_left_with(tmp_path: Path) -> None:
    """Workers are killed, told to stop and stalled beyond their leases, Redis is restarted and cut off, gateways are
    killed: each client sees each event once and in order, each task leaves the same records and steps as in peace, and
    nothing is left behind."""
    async with mesh_in_peace(tmp_path, quick(per_stage=2)) as (ordeal, crowd):
        row = await ordeal.suffer(crowd, seed=SEED, tasks=100, rounds=3)
    assert row.faults == []
    assert row.resumed > 0
    assert set(row.struck.values()) == {3}
