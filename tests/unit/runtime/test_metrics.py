"""What the metrics count, with a clock that the test winds."""

from __future__ import annotations

import pytest

from workflow_do.runtime.metrics import Metrics


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def value(metrics: Metrics, series: str) -> float:
    """One series as Prometheus reads it; 0 where it is not there yet."""
    rows = [
        line for line in metrics.render().decode().splitlines() if line.startswith(series + " ")
    ]
    return float(rows[0].rsplit(" ", 1)[1]) if rows else 0.0


def total(metrics: Metrics, part: str) -> tuple[float, float]:
    """How many gaps were seen and how long they took, in seconds."""
    name = "workflow_do_next_job_seconds"
    label = f'{{part="{part}"}}'
    return value(metrics, f"{name}_count{label}"), value(metrics, f"{name}_sum{label}")


def gap(metrics: Metrics, clock: Clock, run: str = "run") -> None:
    """A container ends; a worker takes the run after 1 s, posts after 2, is answered after 4."""
    metrics.container_ended(run)
    clock.seconds += 1
    metrics.taken(run)
    clock.seconds += 2
    metrics.asked(run)
    clock.seconds += 4
    metrics.accepted(run)


def test_the_gap_between_two_jobs_and_its_parts() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    gap(metrics, clock)
    gap(metrics, clock, "another")
    found = {part: total(metrics, part) for part in ("queue", "decide", "api", "whole")}
    assert found == {"queue": (2, 2), "decide": (2, 4), "api": (2, 8), "whole": (2, 14)}


def test_an_end_without_a_next_job_is_no_gap() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    metrics.container_ended("run")
    metrics.taken("run")
    metrics.left("run")
    clock.seconds += 60  # e.g. until another try is due
    metrics.taken("run")
    metrics.asked("run")
    metrics.accepted("run")
    assert total(metrics, "whole") == (0, 0)


def test_an_end_that_is_seen_while_a_worker_is_busy_with_the_run_is_kept() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    metrics.taken("run")
    metrics.container_ended("run")
    metrics.left("run")
    clock.seconds += 1
    metrics.taken("run")
    metrics.asked("run")
    metrics.accepted("run")
    assert total(metrics, "whole") == (1, 1)


def test_what_is_counted() -> None:
    metrics = Metrics(Clock())
    metrics.watch_queue(lambda: 7)
    metrics.leads(True)
    metrics.called("POST", 201)
    metrics.called("POST", 201)
    metrics.called("GET", 0)
    metrics.failed("WorkflowRun")
    metrics.progressed(("Succeeded", "Failed"), "ExitCode")
    metrics.progressed(("Succeeded",), None)
    counted = {
        "queue_depth": 7,
        "leader": 1,
        'api_requests_total{code="201",verb="POST"}': 2,
        'api_requests_total{code="0",verb="GET"}': 1,
        'reconcile_errors_total{kind="WorkflowRun"}': 1,
        'steps_total{result="Succeeded"}': 2,
        'steps_total{result="Failed"}': 1,
        'runs_total{reason="ExitCode"}': 1,
    }
    assert {series: value(metrics, f"workflow_do_{series}") for series in counted} == counted


@pytest.mark.parametrize("runs", [10_001], ids=["more than are kept"])
def test_what_is_remembered_is_bounded(runs: int) -> None:
    clock = Clock()
    metrics = Metrics(clock)
    for number in range(runs):
        metrics.container_ended(number)
    metrics.taken(runs - 1)
    metrics.accepted(runs - 1)
    assert total(metrics, "whole") == (0, 0)
