"""Another look at a run: it cannot be read any more, or it is another process that looks.

The runtime as it is, over the model of an API server: each call is held until it is let through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulation.adversary import Adversary
from simulation.fates import Fate
from simulation.invariants import ended
from simulation.leader import Call
from simulation.reading import reason
from simulation.scenario import Scenario
from simulation.simulate import Simulation
from workflow_do.runtime.api import JOBS, REVISIONS, RUNS, Unavailable

Raw = dict[str, Any]
TWO = Scenario(
    {
        "steps": [
            {
                "id": id_,
                "action": "do-0",
                "input": {"v": 7},
                "needs": ["trigger"],
                "onError": "Continue",
            }
            for id_ in ("s0", "s1")
        ]
    },
    {"do-0": {"image": "example.com/do-0:1"}},
)
ONE = Scenario(
    {"steps": [{"id": "s0", "action": "do-0", "input": {"v": 7}}]},
    {"do-0": {"image": "example.com/do-0:1"}},
)


def quiet(scenario: Scenario = ONE) -> Simulation:
    """A run that nothing befalls but what a test does to it."""
    seed = next(s for s in range(2, 10_000, 8) if _is_quiet(Adversary(s)))  # no limit of Jobs
    return Simulation(scenario, seed)


def _is_quiet(adversary: Adversary) -> bool:
    m = adversary.mood
    return not (m.second or m.bad_fate or m.refused or m.quota) and m.definition == "there"


def play(world: Simulation, until: Callable[[Call], bool]) -> Call | None:
    """Go on until such a call is on its way; None where the run comes to its end before."""
    for _ in range(500):
        found = next((c for c in world.leaders[0].wire.calls if until(c)), None)
        if found is not None:
            return found
        if not world._fair_round():
            return None
    raise AssertionError("it goes on for ever")


def spec(world: Simulation, **fields: Any) -> None:
    """Fields of the run's spec, as another version of its definition has them; None: gone."""
    world.server.update(RUNS, "run-1", spec=fields)


def looks_again(world: Simulation) -> Callable[[Call], bool]:
    """A live look at the run after its program has ended, before the end is written."""
    return lambda c: c.verb == "get" and c.resource is RUNS and _ended_well(world)


def _ended_well(world: Simulation) -> bool:
    return any(t.ended_well for t in world.cluster.tries)


def test_a_run_that_cannot_be_read_any_more_is_left_alone_until_it_can_be() -> None:
    world = quiet()
    assert play(world, looks_again(world)) is not None
    spec(world, fromTheFuture=True)
    before = world.scenes[0].run["status"]

    assert play(world, lambda c: c.write) is None, "nothing is written about it"

    assert world.scenes[0].run["status"] == before
    assert not ended(world.scenes[0].run)
    spec(world, fromTheFuture=None)
    world.leaders[0].doubt()
    assert play(world, lambda _: False) is None
    assert reason(world.scenes[0].run) == "Succeeded"
    assert len(world.server.all(JOBS)) == 1


def test_a_revision_that_is_back_at_the_second_look_is_not_lost() -> None:
    """A process that has just started has looked at the run live, but got no answer about its
    revision. The next look does not find that; the one that is to prove it does.
    """
    world = quiet()
    assert play(world, looks_again(world)) is not None
    (revision,) = world.server.all(REVISIONS)
    world._crash(world.leaders[0])
    asks = play(world, reads_revision)
    assert asks is not None
    world.leaders[0].answer(asks, no_answer)
    world.server.remove(REVISIONS, revision["metadata"]["name"])
    asks = play(world, reads_revision)
    assert asks is not None
    server = world.server
    world.leaders[0].answer(asks, lambda: asks.serve(server))
    world.server.create(REVISIONS, revision)
    assert play(world, reads_revision) is not None, "it looks again before it believes that"

    assert play(world, lambda _: False) is None

    assert reason(world.scenes[0].run) == "Succeeded"
    assert len(world.server.all(JOBS)) == 1


def reads_revision(call: Call) -> bool:
    return call.verb == "get" and call.resource is REVISIONS


def no_answer() -> Any:
    raise Unavailable("no answer")


def test_what_another_process_began_is_accounted_for_before_trouble_is_written_down() -> None:
    """It made two Jobs and was killed before it wrote that down. One of them is deleted, the other
    has failed when the next process looks: that is news, but no round that has seen everything.
    """
    world = quiet(TWO)
    world.adversary.fate = lambda *_: Fate(exit_code=1)  # type: ignore[method-assign]
    assert play(world, lambda c: c.verb == "json_patch" and len(world.server.all(JOBS)) == 2)
    world._crash(world.leaders[0])
    lost = next(t for t in world.cluster.tries if t.step == "s1")
    while world.cluster.tries[0].exit_code is None or lost.uid not in world.server.told:
        moves = world.cluster.moves()
        moves[0][1]()
    world.server.remove(JOBS, lost.job)
    for label, act in iter(lambda: next(iter(world.cluster.moves()), (None, None)), (None, None)):
        assert label is not None
        act()
    world.leaders[0] = world._leader()

    assert play(world, lambda _: False) is None

    assert [t.step for t in world.cluster.tries] == ["s0", "s1"], "none is made a second time"
    s1 = world.scenes[0].run["status"]["steps"][1]
    assert (s1["state"], s1["reason"]) == ("Unknown", "JobLost")
