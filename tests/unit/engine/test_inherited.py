"""A Job that another process made, that nobody wrote down, and that is gone: never made again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from support.world import START, World, action, step, workflow
from workflow_do.api.run import StepState
from workflow_do.engine.effects import CreateJob
from workflow_do.engine.facts import PastJob


def taken_over(**spec: object) -> World:
    """A run whose second step is next; the process that led it died, and so did its memory."""
    w = World(
        workflow(step("a"), step("b", "other"), onFailure={"action": "tell"}),
        action("do-it"),
        action("other", **spec),
        action("tell"),
    )
    w.reconcile()
    w.ends()
    w.inherited = True
    return w


def asked(w: World) -> str:
    """The one name that is asked for."""
    (name,) = w.plan().needs_past
    return name


def gone(w: World) -> None:
    """Events tell of the Job that is asked for; it is not there."""
    w.past = {asked(w): PastJob("past-1", START)}
    w.reconcile()


def test_nothing_starts_before_events_were_asked() -> None:
    w = taken_over()
    planned = w.plan()
    assert (planned.effects, planned.status) == ((), w.parsed().status)
    assert asked(w).startswith("run-1-b-")


def test_a_job_that_nobody_heard_of_is_made() -> None:
    w = taken_over()
    name = asked(w)
    w.past = {name: None}
    w.reconcile()
    assert w.created[-1] == name
    assert w.step("b")["state"] == "Running"


def test_a_job_that_was_and_is_gone_counts_as_a_try_that_is_lost() -> None:
    w = taken_over()
    name = asked(w)
    gone(w)
    record = w.step("b")
    assert (record["state"], record["reason"], record["tries"]) == ("Unknown", "JobLost", 1)
    assert (record["jobName"], record["jobUID"], record["seq"]) == (name, "past-1", 2)
    assert record["inputHash"] == w.step("a")["inputHash"], "the input it would have had"
    assert name not in w.created


def test_only_what_may_run_twice_is_tried_again() -> None:
    w = taken_over(retrySafety="Idempotent", retry={"maxAttempts": 2})
    lost = asked(w)
    gone(w)
    assert w.step("b")["state"] == "Retrying"
    w.past[asked(later(w))] = None
    w.reconcile()
    assert (w.step("b")["state"], w.step("b")["tries"]) == ("Running", 2)
    assert lost not in w.created


def later(w: World) -> World:
    """Its next try is due."""
    w.tick(5)
    return w


def test_the_handler_is_asked_for_too() -> None:
    w = taken_over()
    gone(w)
    assert asked(w).startswith("run-1-onfailure-")
    gone(w)
    assert w.status["onFailure"]["reason"] == "JobLost"
    assert w.verdict() == ("False", "JobLost")


BARRED: list[Callable[[World], None]] = [
    lambda w: w.ask("Paused"),
    lambda w: w.ask("Cancelled"),
    lambda w: w.run["metadata"].update(deletionTimestamp="2026-01-31T08:00:00Z"),
]


@pytest.mark.parametrize("bar", BARRED, ids=["paused", "cancelled", "deleted"])
def test_what_was_begun_counts_though_nothing_may_start_now(bar: Callable[[World], None]) -> None:
    w = taken_over()
    bar(w)
    gone(w)
    assert w.step("b")["reason"] == "JobLost"


def test_an_undisturbed_run_asks_nobody() -> None:
    w = taken_over()
    w.inherited = False
    (effect,) = w.plan().effects
    assert isinstance(effect, CreateJob)


def test_whoever_found_a_list_ended_may_have_gone_on_in_the_same_plan() -> None:
    each = {**step("a"), "forEach": {"items": "{{ [1] }}"}}
    w = World(workflow(each, step("b", "other")), action("do-it"), action("other"))
    w.reconcile()
    w.ends()
    w.inherited = True

    assert asked(w).startswith("run-1-b-")

    gone(w)
    assert w.step("b")["reason"] == "JobLost"


def test_what_is_written_down_before_all_is_accounted_for_says_so() -> None:
    w = taken_over()
    w.ends(code=1)
    planned = w.plan()
    assert planned.status.steps[0].state is StepState.FAILED
    assert planned.partial


AGAIN = {"retrySafety": "Idempotent", "retry": {"maxAttempts": 2}}


def lose_pods(w: World) -> None:
    """Whatever ran has ended, nobody wrote that down, and its Pods are gone."""
    for job in w.jobs.values():
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    w.pods.clear()
    w.inherited = True


def names_asked(w: World) -> frozenset[str]:
    """The Jobs whose Events are asked for, once what is lost is written down."""
    planned = w.plan()
    while not planned.needs_past:
        w.looked_for |= planned.needs_held
        w.write(planned)
        planned = w.plan()
    return planned.needs_past


def test_what_followed_a_success_that_nobody_can_see_any_more_is_asked_for() -> None:
    """The one before saw `a` succeed and began `b`; to this one `a` is lost, and tried again."""
    w = World(workflow(step("a"), step("b", "other")), action("do-it", **AGAIN), action("other"))
    w.reconcile()
    lose_pods(w)
    assert {name[:8] for name in names_asked(w)} == {"run-1-a-", "run-1-b-"}


def test_the_next_item_is_asked_for_though_the_one_before_is_tried_again() -> None:
    each = {**step("a"), "forEach": {"items": "{{ [1, 2, 3] }}", "maxParallel": 1}}
    w = World(workflow(each), action("do-it", **AGAIN))
    w.reconcile()
    lose_pods(w)
    assert {name[:10] for name in names_asked(w)} == {"run-1-a-0-", "run-1-a-1-"}


def test_the_next_undo_and_the_next_of_finally_are_asked_for() -> None:
    undo = {"compensate": {"action": "undo"}}
    steps = [step("a"), step("b"), step("c", "bad")]
    last = [{"id": "f", "action": "undo"}, {"id": "g", "action": "undo"}]
    actions = [action("do-it", **undo), action("undo", **AGAIN), action("bad")]
    w = World(workflow(*steps, **{"finally": last}), *actions)
    for code in (0, 0, 1):
        w.reconcile()
        w.ends(code=code)
    w.reconcile()
    lose_pods(w)
    found = {re.sub("-[a-z0-9]{10}$", "", name) for name in names_asked(w)}
    assert found == {"run-1-undo-b", "run-1-undo-a", "run-1-f"}
