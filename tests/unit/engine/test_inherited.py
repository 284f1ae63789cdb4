"""A Job that another process made, that nobody wrote down, and that is gone: never made again."""

from __future__ import annotations

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
