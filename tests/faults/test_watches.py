"""R3: lists that lag behind, watches that bring nothing, or everything twice and out of order."""

from __future__ import annotations

import asyncio

import pytest

from faults.gate import Gate
from faults.lane import Lane, Site, stage
from faults.scripts import Jumbled, Remembering, Silent, Stale
from faults.sweep import undisturbed
from support.proxy import Script

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SEEDS = (1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 11)))


def test_r3_lists_are_stale_after_a_restart(site: Site) -> None:
    """The lists of a moment at which only the first step had begun, and no watch events either."""

    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = (await undisturbed(lane)).ending
            first, memory = Gate(lane, "one"), Remembering()
            await lane.define("stale")
            await lane.begin("stale")
            await first.reached()
            await _restart(lane, memory)
            assert memory.lists
            later = Gate(lane, "four")
            first.open.set()
            await later.reached()
            old = Stale(memory.lists)
            await _restart(lane, old)
            assert old.served >= 5, "the lists of five kinds were old ones"
            later.open.set()
            assert (await lane.ending("stale")).faults(expected) == []
            assert await played.unaccounted() == []

    asyncio.run(test())


async def _restart(lane: Lane, script: Script) -> None:
    lane.process.kill()
    lane.script(script)
    await lane.start()


@pytest.mark.parametrize(
    "plurals",
    [(), ("pods",), ("jobs",), ("workflowruns",), ("jobs", "pods")],
    ids=lambda plurals: " and ".join(plurals) or "all",
)
def test_r3_watches_fall_silent(site: Site, plurals: tuple[str, ...]) -> None:
    """They stay open and bring nothing; only the comparison with the API server brings news."""

    async def test() -> None:
        more = {"WORKFLOW_DO_RESYNC_SECONDS": "1"}
        async with stage(site) as played, played.lane(environment=more) as lane:
            expected = (await undisturbed(lane)).ending
            silent = Silent(*plurals)
            lane.script(silent)
            ending = await lane.play("silent")
            assert silent.swallowed > 0
            assert ending.faults(expected) == []
            assert await played.unaccounted() == []

    asyncio.run(test())


@pytest.mark.parametrize("seed", SEEDS)
def test_r3_events_come_twice_and_out_of_order(site: Site, seed: int) -> None:
    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = (await undisturbed(lane)).ending
            lane.script(Jumbled(seed))
            lane.process.kill()
            await lane.start()
            assert (await lane.play("jumbled")).faults(expected) == []
            assert await played.unaccounted() == []

    asyncio.run(test())
