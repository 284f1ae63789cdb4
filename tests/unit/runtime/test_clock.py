"""The API server's time, told from the dates of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from workflow_do.runtime.clock import ServerClock, now

OURS = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


def told(server_ahead: float, took: float = 0.02, into_the_second: float = 0.5) -> ServerClock:
    """A clock that has heard one answer of a server that is so many seconds ahead of us."""
    clock = ServerClock()
    sent = OURS + timedelta(seconds=into_the_second)
    written = sent + timedelta(seconds=server_ahead + took / 2)
    date = format_datetime(written.replace(microsecond=0), usegmt=True)
    clock.heard(date, sent, sent + timedelta(seconds=took))
    return clock


def ahead(clock: ServerClock) -> float:
    return (clock.now() - now()).total_seconds()


@pytest.mark.parametrize("into", [0.0, 0.3, 0.95])
@pytest.mark.parametrize("took", [0.01, 0.9, 30.0])
def test_clocks_that_agree_are_left_alone(into: float, took: float) -> None:
    assert ahead(told(0.0, took, into)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("server_ahead", [-3600, -90.5, 90.5, 3600])
def test_a_difference_is_known_to_a_second(server_ahead: float) -> None:
    assert ahead(told(server_ahead)) == pytest.approx(server_ahead, abs=1.05)


def test_more_answers_only_narrow_it() -> None:
    clock = told(90.0)
    first = ahead(clock)
    for at in range(1, 50):
        sent = OURS + timedelta(seconds=at * 7.31)
        date = format_datetime((sent + timedelta(seconds=90)).replace(microsecond=0), usegmt=True)
        clock.heard(date, sent, sent + timedelta(seconds=0.01))
    assert ahead(clock) == pytest.approx(90.0, abs=0.1)
    assert abs(ahead(clock) - 90.0) <= abs(first - 90.0) + 0.02


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Foo 2026 08:00:00 GMT"])
def test_a_date_that_cannot_be_read_tells_nothing(date: str) -> None:
    clock = ServerClock()
    clock.heard(date, OURS, OURS)
    assert ahead(clock) == pytest.approx(0.0, abs=0.01)
