"""R4: a Job ends, or is taken away, while the operator is down: kept or JobLost, never again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from faults import trials
from faults.lane import Ending, Lane, Site, try_on

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    "befalls",
    [
        trials.job_ended,
        trials.pod_deleted,
        trials.job_deleted,
        trials.running_pod_deleted,
        trials.running_job_deleted,
    ],
    ids=lambda befalls: befalls.__name__,
)
def test_r4_while_the_operator_is_down(
    site: Site, expected: Ending, befalls: Callable[[Lane], Awaitable[None]]
) -> None:
    assert try_on(site, trials.while_down(befalls), expected) == []


def test_r4_a_job_that_nobody_wrote_down_is_deleted(site: Site, expected: Ending) -> None:
    assert try_on(site, trials.never_written_down, expected) == []
