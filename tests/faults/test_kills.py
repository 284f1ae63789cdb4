"""R1 and R2: kill -9 of the operator, at random times and at every single write of a run."""

from __future__ import annotations

import asyncio

import pytest

from faults import scenario
from faults.lane import Site, stage
from faults.sweep import at_every_write, at_random_times, sweep, undisturbed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
LANES = 4


@pytest.mark.parametrize(
    "moments", [1, pytest.param(2, marks=pytest.mark.long)], ids=["one moment", "both moments"]
)
def test_r2_killed_at_every_write(site: Site, moments: int) -> None:
    """k = 1 … all; before the answer, after it, or (one moment) each in turn."""

    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = await undisturbed(lane)
            assert len(expected.writes) >= 2 * len(scenario.JOBS) + 3, expected.writes
            kills = at_every_write(expected, moments)
            findings = await sweep(played, expected.ending, kills, lanes=LANES)
            print(
                f"R2: {len(expected.writes)} writes, {len(kills)} kills, {len(findings)} findings"
            )
            assert findings == []

    asyncio.run(test())


@pytest.mark.parametrize(
    ("runs", "kills"),
    [(4, 2), pytest.param(25, 2, marks=pytest.mark.long)],
    ids=["8 kills", "50 kills"],
)
def test_r1_killed_at_random_times(site: Site, runs: int, kills: int) -> None:
    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = await undisturbed(lane)
            times = at_random_times(1, runs, kills, seconds=3.0)
            findings = await sweep(played, expected.ending, times, lanes=LANES)
            met = sum(len(kill.in_mid_run) for kill in times)
            print(f"R1: {runs * kills} kills, {met} in mid-run: {len(findings)} findings")
            assert findings == []
            assert met >= runs, "most kills came when the run had ended"

    asyncio.run(test())
