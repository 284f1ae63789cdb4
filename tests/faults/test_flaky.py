"""R5: one call in ten fails, by errors, refusals for now, silence or a broken connection."""

from __future__ import annotations

import pytest

from faults import trials
from faults.lane import Ending, Site, try_on

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SEEDS = (1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 21)))


@pytest.mark.parametrize("seed", SEEDS)
def test_r5_one_call_in_ten_fails(site: Site, expected: Ending, seed: int) -> None:
    """It ends as the undisturbed run does; the operator is started under the same conditions."""
    measured = trials.Measured()
    assert try_on(site, trials.flaky(seed, measured), expected) == []
    assert measured.failed >= 3, f"only {measured.failed} of {measured.calls} calls failed"
    ratio = measured.seconds / expected.seconds
    print(
        f"R5 seed {seed}: {measured.failed} of {measured.calls} calls failed; "
        f"{measured.seconds:.1f} s, {ratio:.1f} times the undisturbed run"
    )
