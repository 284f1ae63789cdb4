"""A short campaign with every test run; `make test-simulation` is the long one."""

from __future__ import annotations

import pytest

from simulation import families
from simulation.adversary import Adversary
from simulation.campaign import campaign
from simulation.scenario import Scenario
from simulation.simulate import Simulation, simulate

ONE = Scenario(
    {"steps": [{"id": "s0", "action": "do-0", "input": {"v": 7}}]},
    {"do-0": {"image": "example.com/do-0:1", "retry": {"maxAttempts": 3}}},
)


@pytest.mark.timeout(180)
def test_every_promise_holds_in_a_hundred_runs() -> None:
    report = campaign(100, seed=1)
    assert report.promise == "", report.failure
    assert report.runs >= 100
    assert report.verdicts["Succeeded"] > 10
    assert report.seen["operator killed"] > 10


@pytest.mark.timeout(120)
def test_every_promise_holds_in_twenty_families() -> None:
    report = families.campaign(20, seed=7)
    assert report.promise == "", report.failure
    assert report.verdicts["Succeeded"] > 2


def test_a_seed_tells_everything_of_a_family() -> None:
    first, again = families.Family(3), families.Family(3)
    assert (first.play(), first.trace) == (again.play(), again.trace)


def test_a_seed_tells_everything() -> None:
    for seed in range(20):
        first, again = Simulation(ONE, seed), Simulation(ONE, seed)
        assert (first.run(), first.trace) == (again.run(), again.trace)


def test_the_moods_differ() -> None:
    moods = [Adversary(seed).mood for seed in range(200)]
    assert any(m.second for m in moods)
    assert any(m.lost and m.crash and m.cluster_trouble for m in moods)
    assert any(not (m.lost or m.crash or m.cluster_trouble or m.bad_fate) for m in moods)


def test_a_quiet_run_succeeds() -> None:
    quiet = next(s for s in range(10_000) if _is_quiet(Adversary(s)))
    outcome = simulate(ONE, quiet)
    assert outcome.verdicts == ("Succeeded",)
    assert outcome.jobs == 1


def _is_quiet(adversary: Adversary) -> bool:
    m = adversary.mood
    loud = m.lost + m.crash + m.cluster_trouble + m.bad_fate + m.refused + m.people + m.read_fails
    return not loud and m.definition == "there" and not m.revision_lost and not m.quota
