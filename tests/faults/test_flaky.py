"""R5: one call in ten fails, by errors, refusals for now, silence or a broken connection."""

from __future__ import annotations

import asyncio

import pytest

from faults.lane import Site, stage
from faults.scripts import Flaky
from faults.sweep import undisturbed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SEEDS = (1, 2, 3, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 21)))


@pytest.mark.parametrize("seed", SEEDS)
def test_r5_one_call_in_ten_fails(site: Site, seed: int) -> None:
    """It ends as the undisturbed run does; the operator is started under the same conditions."""

    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = (await undisturbed(lane)).ending
            flaky = Flaky(seed)
            await lane.define("flaky")
            lane.script(flaky)
            lane.process.kill()
            await lane.start()
            await lane.begin("flaky")
            ending = await lane.ending("flaky", 150)
            assert flaky.failed >= 5, f"only {flaky.failed} of {flaky.calls} calls failed"
            assert ending.faults(expected) == []
            assert await played.unaccounted() == []
            ratio = ending.seconds / expected.seconds
            print(
                f"R5 seed {seed}: {flaky.failed} of {flaky.calls} calls failed; "
                f"{ending.seconds:.1f} s, {ratio:.1f} times the undisturbed run"
            )

    asyncio.run(test())
