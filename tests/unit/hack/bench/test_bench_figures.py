"""The arithmetic of the benchmark, on numbers that can be checked by hand."""

from __future__ import annotations

import math

import pytest
from hack.bench import figures, summary
from hack.bench.figures import Pair
from hack.bench.measure import Record, Sample
from hypothesis import given
from hypothesis import strategies as st

HISTOGRAM = """\
# TYPE gap_seconds histogram
gap_seconds_bucket{le="0.01",part="whole"} 2.0
gap_seconds_bucket{le="0.02",part="whole"} 9.0
gap_seconds_bucket{le="+Inf",part="whole"} 10.0
gap_seconds_bucket{le="0.01",part="queue"} 10.0
gap_seconds_bucket{le="+Inf",part="queue"} 10.0
gap_seconds_count{part="whole"} 10.0
"""


def sample(way: str, seconds: float, **more: object) -> Sample:
    """One measurement of a chain of 10; `more` replaces fields."""
    fields: dict[str, object] = {
        "place": "real",
        "way": way,
        "runs": 1,
        "steps": 10,
        "seconds": seconds,
        "cpu_ms_per_step": 5.0,
        "client_cpu_ms_per_step": 2.0,
        "rss_mb": 90.0,
        "run_p50_seconds": seconds,
        "run_p95_seconds": seconds,
        "writes": 0,
        "events": 0,
        "gaps": [],
        "buckets": {},
        "control_plane": {},
    }
    return Sample(**{**fields, **more})  # type: ignore[arg-type]


def test_the_median_of_ratios_and_not_the_ratio_of_medians() -> None:
    slow_machine = [Pair(10, 11), Pair(100, 105), Pair(1, 2)]
    assert figures.median_ratio(slow_machine) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [([1, 2, 3, 4], 0.5, 2), ([4, 3, 2, 1], 0.99, 4), ([7], 0.5, 7), ([1, 2, 3, 4], 0.0, 1)],
    ids=["half", "nearly all, unsorted", "one", "none"],
)
def test_quantile(values: list[float], q: float, expected: float) -> None:
    assert figures.quantile(values, q) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0.1, 0.005), (0.2, 0.01), (0.55, 0.015), (0.9, 0.02), (1.0, 0.02)],
    ids=["in the first", "its end", "in the second", "its end too", "beyond: the last bound"],
)
def test_quantile_of_buckets(q: float, expected: float) -> None:
    buckets = figures.buckets_of(HISTOGRAM, "gap_seconds", part="whole")
    assert figures.quantile_of_buckets(buckets, q) == pytest.approx(expected)


def test_nothing_has_no_quantile() -> None:
    assert math.isnan(figures.quantile([], 0.5))
    assert math.isnan(figures.quantile_of_buckets({0.1: 0, math.inf: 0}, 0.5))


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_buckets_tell_a_quantile_to_within_a_bucket(values: list[float], q: float) -> None:
    bounds = [n / 10 for n in range(1, 11)]
    buckets = {bound: float(sum(v <= bound for v in values)) for bound in bounds}
    found = figures.quantile_of_buckets(buckets, q)
    assert abs(found - figures.quantile(values, q)) <= 0.1


def test_what_was_counted_between_two_looks() -> None:
    assert figures.since({1.0: 2, math.inf: 3}, {1.0: 5, math.inf: 9}) == {1.0: 3, math.inf: 6}


def test_the_slope_leaves_what_a_run_costs_by_itself() -> None:
    assert figures.slope((10, 25), (30, 65)) == (2.0, 5.0)


def test_the_summary_of_a_record() -> None:
    record = Record(memory={"idle": 80.0}, plans={"chain": 2.5, "items": 4.5})
    for bare, ours in ((10.0, 10.2), (11.0, 11.0), (10.0, 12.0)):
        buckets = {"0.01": 8.0, "0.02": 9.0, "inf": 9.0}
        record.add(
            "chain",
            sample("bare", bare, gaps=[0.004, 0.006]),
            sample("runs", ours, writes=25, buckets=buckets),
        )
    record.add("long chain", sample("runs", 31.0, steps=30, writes=65))
    record.add("simulated", sample("bare", 20.0), sample("runs", 25.0, cpu_ms_per_step=6.5))
    found = summary.summarise(Record.parse(record.raw()))
    expected = {
        "chain_ratio": 1.02,
        "burst_ratio": None,
        "simulated_ratio": 0.8,
        "cpu_ms_per_step_simulated": 6.5,
        "rss_idle_mb": 80.0,
        "rss_1000_runs_mb": None,
        "plan_500_ms": 4.5,
        "writes_per_step": 2.0,
        "writes_per_run": 5.0,
        "bare_gap_p50_ms": 4.0,
        "bare_chain_seconds": 10.0,
        "bare_cpu_ms_per_step_simulated": 2.0,
    }
    assert {key: found[key] for key in expected} == expected
    assert 0 < (found["gap_p50_ms"] or 0) < 10 < (found["gap_p99_ms"] or 0) < 20


def test_an_operator_that_is_slower_shows_in_the_ratios() -> None:
    quick, slow = Record(), Record()
    for record, factor in ((quick, 1.0), (slow, 1.4)):
        for part in ("chain", "burst", "simulated"):
            record.add(part, sample("bare", 10.0), sample("runs", 10.1 * factor))
    before, after = summary.summarise(quick), summary.summarise(slow)
    limits = {figure.key: figure for figure in summary.FIGURES}
    for key in ("chain_ratio", "burst_ratio", "simulated_ratio"):
        assert limits[key].holds(before[key] or 0)
        assert not limits[key].holds(after[key] or 0)
