"""A decision over a run grows with its steps and no faster; counted, so that load tells nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hack.bench import planning
from hack.bench.planning import LargeRun

CALLS_A_STEP = 60
"""Of functions, by one plan; a pass over all steps that calls nothing is free here."""


def calls_of(run: LargeRun) -> int:
    """How many functions one plan calls."""
    count = 0

    def see(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    run.plan()  # what is found out once is not counted
    sys.setprofile(see)
    try:
        run.plan()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("make", [planning.chain, planning.side_by_side, planning.items])
def test_twice_the_steps_are_twice_the_work(make: Callable[[int], LargeRun]) -> None:
    few, many = (calls_of(make(number).end_one()) for number in (100, 200))
    assert few < many < 2.2 * few


def test_one_step_of_many_is_little_work() -> None:
    assert calls_of(planning.chain().end_one()) < CALLS_A_STEP * planning.STEPS
