"""Many runs: hypothesis draws a scenario and one integer for each; what they covered is counted."""

from __future__ import annotations

import gc
import multiprocessing
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from simulation.invariants import Violated
from simulation.scenario import Scenario, scenarios
from simulation.simulate import simulate

MUST_HAPPEN: Final = frozenset(
    {
        "operator killed",
        "create jobs applied, answer lost",
        "create jobs lost",
        "create jobs carried out late",
        "json_patch workflowruns applied, answer lost",
        "json_patch workflowruns lost",
        "json_patch workflowruns carried out late",
        "create configmaps",
        "create configmaps applied, answer lost",
        "event repeated or out of order",
        "list jobs lost",
        "pod deleted by hand",
        "job deleted by hand",
        "evicted",
        "node falls silent",
        "node is gone",
        "node given up",
        "silent node never speaks again",
        "unschedulable",
        "pod refused",
        "container killed",
        "job suspended",
        "revision deleted",
        "asked to be Paused",
        "asked to be Cancelled",
        "asked to be CancelledWithCompensation",
        "stale status refused",
    }
)
"""An adversary that has become harmless proves nothing: each of these in every campaign."""
_seeds = st.binary(min_size=4, max_size=4).map(lambda data: int.from_bytes(data, "big"))
"""Even over all integers; hypothesis' own integers crowd around a few, and repeat their moods."""


@dataclass
class Report:
    """What a campaign came to. `promise` and `failure` tell of the first run that broke one."""

    runs: int = 0
    jobs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    promise: str = ""
    failure: str = ""

    def add(self, other: Report) -> None:
        """Both as one."""
        self.runs += other.runs
        self.jobs += other.jobs
        self.verdicts += other.verdicts
        self.seen += other.seen
        if not self.promise:
            self.promise, self.failure = other.promise, other.failure


def campaign(runs: int, seed: int, shrink: bool = True) -> Report:
    """So many runs, in this process; after a broken promise the smallest that breaks it."""
    report = Report()
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=runs,
        deadline=None,
        database=None,
        derandomize=False,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios(), _seeds)
    def one(scenario: Scenario, number: int) -> None:
        _one(report, scenario, number)

    gc.set_threshold(50_000)  # the garbage of a run is small, its cycles are many
    try:
        one()
    except Violated:
        assert report.promise, "a broken promise is always written down"
    return report


def _one(report: Report, scenario: Scenario, number: int) -> None:
    try:
        outcome = simulate(scenario, number)
    except Violated as violated:
        report.promise = violated.promise
        story = "\n".join(getattr(violated, "__notes__", ()))
        report.failure = f"{violated}\nsimulate({scenario!r}, {number})\n{story}"
        raise
    finally:
        report.runs += 1
    report.jobs += outcome.jobs
    report.verdicts.update(outcome.verdicts)
    report.seen.update(outcome.seen)


def campaign_in(processes: int, runs: int, seed: int, shrink: bool = True) -> Report:
    """The same, shared out over processes; each has a seed of its own."""
    if processes == 1:
        return campaign(runs, seed, shrink)
    shares = [(-(-runs // processes), seed * 1000 + n, shrink) for n in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(campaign, shares)
    whole = Report()
    for part in parts:
        whole.add(part)
    return whole
