"""The fault tests see what they look for: each seeded defect is found by its trial.

A defect is a patch of the operator's source that an undisturbed run does not show; the undisturbed
run is played first and must be as ever.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from faults import trials
from faults.lane import Ending, Lane, Site, Stage, stage
from faults.sweep import Undisturbed, at_every_write, sweep, undisturbed

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(600)]
PATCHES = Path(__file__).parent / "defects"
Search = Callable[[Stage, Lane, Undisturbed, Path], Awaitable[list[str]]]


async def _killed(stage_: Stage, _: Lane, expected: Undisturbed, source: Path) -> list[str]:
    kills = at_every_write(expected)
    return await sweep(stage_, expected.ending, kills, lanes=3, source=source, enough=1)


async def _failing(stage_: Stage, lane: Lane, expected: Undisturbed, _: Path) -> list[str]:
    for seed in range(1, 21):
        found = await trials.flaky(seed, limit=60)(stage_, lane, expected.ending)
        if found:
            return [f"seed {seed}: {line}" for line in found]
    return []


def _by(trial: trials.Trial) -> Search:
    async def search(stage_: Stage, lane: Lane, expected: Undisturbed, _: Path) -> list[str]:
        return await trial(stage_, lane, expected.ending)

    return search


SEARCHES: Mapping[str, Search] = {
    "01-names-of-the-process": _killed,
    "02-told-before-done": _killed,
    "03-another-name-after-a-conflict": _failing,
    "04-failure-is-forgotten": _failing,
    "05-watches-are-trusted": _by(trials.silent()),
    "06-lost-job-runs-again": _by(trials.while_down(trials.job_deleted)),
}


def test_every_defect_has_a_search() -> None:
    assert sorted(path.stem for path in PATCHES.glob("*.patch")) == sorted(SEARCHES)


@pytest.mark.parametrize("defect", sorted(SEARCHES))
def test_a_defect_is_found(site: Site, expected: Ending, defect: str) -> None:
    source = _with_defect(site, PATCHES / f"{defect}.patch")

    async def test() -> list[str]:
        more = trials.QUICK_RESYNC
        async with (
            stage(site) as played,
            played.lane(source=source, environment=more) as lane,
        ):
            alone = await undisturbed(lane)
            assert alone.ending.faults(expected) == [], "it shows without any fault"
            return await SEARCHES[defect](played, lane, alone, source)

    found = asyncio.run(test())
    print(f"{defect}: {found[:1]}"[:300])
    assert found, "the defect was not found"


def _with_defect(site: Site, patch: Path) -> Path:
    """A copy of the source with the patch applied; a patch that does not apply fails the test."""
    folder = site.folder / "source"
    shutil.copytree(site.source, folder)
    command = ["git", "apply", "-C1", "--recount", "-p2", str(patch)]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, f"{patch.name} does not fit the source any more: {done.stderr}"
    return folder
