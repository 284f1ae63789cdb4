"""R3: lists that lag behind, watches that bring nothing, or everything twice and out of order."""

from __future__ import annotations

import pytest

from faults import trials
from faults.lane import Ending, Site, try_on

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
KINDS = [("jobs", "pods"), ("pods",), ("jobs",), ("workflowruns",)]
LONG = pytest.mark.long


def test_r3_lists_are_stale_after_a_restart(site: Site, expected: Ending) -> None:
    assert try_on(site, trials.stale_lists, expected) == []


@pytest.mark.parametrize(
    "plurals",
    [(), *(pytest.param(plurals, marks=LONG) for plurals in KINDS)],
    ids=lambda plurals: " and ".join(plurals) or "all",
)
def test_r3_watches_fall_silent(site: Site, expected: Ending, plurals: tuple[str, ...]) -> None:
    """They stay open and bring nothing; only the comparison with the API server brings news."""
    trial = trials.silent(*plurals)
    assert try_on(site, trial, expected, environment=trials.QUICK_RESYNC) == []


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=LONG) for n in range(2, 11))])
def test_r3_events_come_twice_and_out_of_order(site: Site, expected: Ending, seed: int) -> None:
    assert try_on(site, trials.jumbled(seed), expected) == []
