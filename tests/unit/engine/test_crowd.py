"""A run among more Jobs than may be live: what of it waits, what never does, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.world import START, World, action, step, workflow
from workflow_do.engine.crowd import Crowd
from workflow_do.engine.effects import CreateJob, Plan
from workflow_do.engine.facts import JobFact, Observed, parse_job
from workflow_do.engine.live import may_run, settled
from workflow_do.engine.plan import plan

Raw = dict[str, Any]


class Crowded(World):
    """A world in which only so many Jobs find a place: what asks for more is told to wait."""

    def __init__(self, room: int, *steps: Raw, body: Any = None, **spec: Any) -> None:
        undoable = action("do-it", compensate={"action": "undo"})
        others = [action(name) for name in ("undo", "tell", "clean")]
        super().__init__(workflow(*steps, **spec), undoable, *others, body=body)
        self.room = room
        self.crowd = Crowd(limit=3)

    def observe(self, live: bool = True) -> Observed:
        return replace(super().observe(live), crowd=self.crowd)

    def plan(self, live: bool = True) -> Plan:
        while True:
            planned = super().plan(live)
            new = [e for e in planned.effects if isinstance(e, CreateJob) and e.waits]
            late = [e.name for e in new[self.room :]]
            if not late:
                self.room -= len(new)
                return planned
            self.crowd = self.crowd.joined_by(late)

    def offer(self, places: int) -> Plan:
        """Room for so many; what does not wait any more may ask again."""
        self.room, self.crowd = places, Crowd(limit=3)
        return self.reconcile()

    def ends_well(self, id_: str) -> Plan:
        """The step's newest Job ends."""
        self.tick(1)
        self.ends("{}", job=self.job(id_))
        return self.reconcile()

    def message(self) -> str:
        rows = {c["type"]: c for c in self.status["conditions"]}
        return str(rows["Succeeded"]["message"])


def test_a_run_without_a_place_says_so_and_makes_no_job() -> None:
    world = Crowded(0, step("a"))
    at_rest = world.reconcile()
    assert world.verdict() == ("Unknown", "Queued")
    expected = "step a: Pending; waits for its turn: at most 3 Jobs are live at once"
    assert world.message() == expected
    assert (world.jobs, len(at_rest.waits)) == ({}, 1)
    world.offer(1)
    assert world.verdict() == ("Unknown", "Running")
    assert list(world.jobs) == list(at_rest.waits), "the Job that stood in line"


def test_nothing_is_asked_where_there_is_no_limit() -> None:
    world = World(workflow(step("a")), action("do-it"))
    planned = world.reconcile()
    assert (len(world.jobs), planned.waits) == (1, frozenset())


def test_while_something_of_it_is_live_the_run_is_running() -> None:
    world = Crowded(1, step("a"), {**step("b"), "needs": ["trigger"]})
    world.reconcile()
    assert world.verdict() == ("Unknown", "Running")
    assert world.message() == (
        "step a: Running; waits for its turn: at most 3 Jobs are live at once"
    )
    assert len(world.jobs) == 1


def test_of_a_list_no_more_wait_than_may_run() -> None:
    each = {**step("a"), "forEach": {"items": "{{ trigger.body }}", "maxParallel": 4}}
    world = Crowded(1, each, body=[*range(9)])
    assert len(world.reconcile().waits) == 3
    assert len(world.jobs) == 1
    world.offer(2)
    assert len(world.jobs) == 3


def test_a_great_fan_out_asks_for_fifty_at_most() -> None:
    each = {**step("a"), "forEach": {"items": "{{ trigger.body }}", "maxParallel": 200}}
    world = Crowded(0, each, body=[*range(200)])
    assert len(world.reconcile().waits) == 50


def test_undo_and_handlers_never_wait() -> None:
    tells = {"onFailure": {"action": "tell"}, "finally": [{"id": "last", "action": "clean"}]}
    world = Crowded(2, step("a"), step("b"), **tells)
    world.reconcile()
    world.ends_well("a")
    world.tick(1)
    world.ends(code=1)
    world.reconcile()
    for _ in range(3):
        world.tick(1)
        world.ends("{}")
        world.reconcile()
    roles = [j["metadata"]["labels"]["workflow.do/role"] for j in world.jobs.values()]
    assert roles == ["do", "do", "undo", "onFailure", "finally"]
    assert world.verdict() == ("False", "ExitCode")


def test_a_try_that_is_due_waits_like_a_first_one() -> None:
    world = Crowded(1, {**step("a"), "retry": {"maxAttempts": 2}})
    world.reconcile()
    world.tick(1)
    world.ends(code=1)
    world.reconcile()
    world.tick(10)
    world.reconcile()
    assert (world.verdict(), len(world.jobs)) == (("Unknown", "Queued"), 1)
    world.offer(1)
    assert len(world.jobs) == 2


def test_a_run_that_waits_too_long_ends_without_having_begun() -> None:
    world = Crowded(0, step("a"), activeDeadlineSeconds=60)
    assert world.reconcile().look_at == START + timedelta(seconds=60)
    world.tick(60)
    world.reconcile()
    assert world.verdict() == ("False", "RunDeadlineExceeded")
    assert world.step("a")["state"] == "NotStarted"


@pytest.mark.parametrize("wish", ["Paused", "Cancelled", "CancelledWithCompensation"])
def test_who_is_not_to_start_does_not_wait(wish: str) -> None:
    world = Crowded(0, step("a"))
    world.reconcile()
    world.ask(wish)
    assert world.reconcile().waits == frozenset()


def test_a_step_that_waits_for_a_time_takes_no_place() -> None:
    world = Crowded(0, {"id": "a", "wait": {"seconds": 60}})
    world.reconcile()
    assert world.step("a")["reason"] == "Waiting"


def job(**changes: Any) -> JobFact:
    return replace(parse_job({"metadata": {"name": "j", "uid": "u"}}), **changes)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        pytest.param(job(), True, id="made"),
        pytest.param(job(had_pod=True), True, id="has a Pod"),
        pytest.param(job(deleting=True), True, id="being deleted: its program goes on"),
        pytest.param(job(finished=True), False, id="finished"),
        pytest.param(job(suspend=True), False, id="stopped before it began"),
    ],
)
def test_which_jobs_may_run(fact: JobFact, expected: bool) -> None:
    assert may_run(fact) is expected


def _goes_on(world: World) -> None:
    world.runs()


def _ends_by_itself(world: World) -> None:
    world.ends(code=1)


def _is_lost(world: World) -> None:
    world.runs()["status"] |= {
        "phase": "Failed",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}],
    }


@pytest.mark.parametrize(
    ("happens", "counts"),
    [
        pytest.param(_goes_on, True, id="it runs"),
        pytest.param(_ends_by_itself, False, id="its unit has failed"),
        pytest.param(_is_lost, False, id="its node is gone"),
    ],
)
def test_a_job_whose_unit_was_judged_does_not_count(
    happens: Callable[[World], None], counts: bool
) -> None:
    world = World(workflow(step("a")), action("do-it"))
    world.reconcile()
    happens(world)
    world.tick(60)
    world.reconcile()
    uid = world.job("a")["metadata"]["uid"]
    fact = parse_job(world.job("a"))
    assert (uid in settled(world.parsed(), {uid: fact})) is not counts


def test_a_job_that_somebody_made_up_does_not_count() -> None:
    world = World(workflow(step("a")), action("do-it"))
    world.reconcile()
    fact = parse_job(world.job("a"))
    found = settled(world.parsed(), {"x": replace(fact, uid="x"), "y": replace(fact, name="y")})
    assert found == {"x", "y"}


def test_waiting_changes_nothing_for_those_that_have_a_place() -> None:
    """The same plan, whatever others of the run wait."""
    world = World(workflow(step("a"), {**step("b"), "needs": ["trigger"]}), action("do-it"))
    world.reconcile()
    seen = world.observe()
    crowded = replace(seen, crowd=Crowd(1, frozenset({"another"})))
    assert plan(crowded, world.now) == plan(seen, world.now)
