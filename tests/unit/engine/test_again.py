"""Runs that come again: retries of finished runs, restored backups."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.world import World, action, step, workflow


def failed_run() -> World:
    """Three steps; the second failed."""
    flow = workflow(
        step("a", n="{{ trigger.body.n }}"), step("b", n="{{ steps.a.output.n }}"), step("c")
    )
    w = World(flow, action("do-it"), body={"n": 1})
    w.reconcile()
    w.ends('{"n": 5}')
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert w.verdict() == ("False", "ExitCode")
    return w


def key_of(job: dict[str, Any]) -> str:
    """The idempotency key that a Job hands to its program."""
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "WORKFLOW_IDEMPOTENCY_KEY"))


def test_a_retried_run_takes_over_what_succeeded_and_runs_the_rest() -> None:
    first = failed_run()
    again = first.retry()
    again.reconcile()
    assert again.step("a")["state"] == "Succeeded"
    assert again.step("a")["output"] == {"n": 5}
    assert again.step("a")["takenOver"] is True
    assert again.step("b")["state"] == "Running"
    assert len(again.created) == 1
    assert key_of(again.job("b")) == key_of(first.job("b"))
    assert again.original is not None
    assert again.original["metadata"]["annotations"]["workflow.do/retried-by"] == "uid-run-2"
    for _ in range(2):
        again.ends('{"n": 1}')
        again.reconcile()
    assert again.verdict() == ("True", "Succeeded")
    assert [s["seq"] for s in again.status["steps"]] == [1, 2, 3]


def test_with_another_input_a_succeeded_step_runs_again_under_another_key() -> None:
    first = failed_run()
    again = first.retry()
    again.run["spec"]["trigger"]["body"] = {"n": 2}
    again.reconcile()
    assert again.step("a")["state"] == "Running"
    assert "output" not in again.step("a")
    assert key_of(again.job("a")) != key_of(first.job("a"))


def test_a_retry_of_a_retry_forgets_neither_what_succeeded_nor_the_epoch() -> None:
    third_of = failed_run().retry()
    third_of.ask("Paused")
    third_of.reconcile()
    third_of.ask("Cancelled")
    third_of.reconcile()
    assert third_of.step("a")["state"] == "Pending"
    third = third_of.retry()
    third.run["spec"]["retryOf"] = {"runName": "run-2", "runUID": "uid-run-2"}
    third.run["metadata"] |= {"name": "run-3", "uid": "uid-run-3"}
    third.reconcile()
    assert third.step("a")["state"] == "Succeeded"
    assert third.step("a")["output"] == {"n": 5}


def test_the_idempotency_key_never_goes_back_to_an_old_one() -> None:
    first = failed_run()
    second = first.retry()
    second.run["spec"]["trigger"]["body"] = {"n": 2}
    second.reconcile()
    second.ends(code=1)
    second.reconcile()
    third = second.retry()
    third.run["spec"]["retryOf"] = {"runName": "run-2", "runUID": "uid-run-2"}
    third.run["metadata"] |= {"name": "run-3", "uid": "uid-run-3"}
    third.reconcile()
    assert key_of(third.job("a")) == key_of(second.job("a")) != key_of(first.job("a"))


def _live(w: World) -> None:
    del w.run["status"]["conditions"]


def _claimed(w: World) -> None:
    w.meta("annotations")["workflow.do/retried-by"] = "somebody"


def _other_uid(w: World) -> None:
    w.run["metadata"]["uid"] = "other"


def _no_revision(w: World) -> None:
    w.revisions.clear()


@pytest.mark.parametrize("change", [_live, _claimed, _other_uid, _no_revision])
def test_what_cannot_be_retried_is_refused_at_once(change: Any) -> None:
    first = failed_run()
    change(first)
    again = first.retry()
    again.reconcile()
    assert again.verdict() == ("False", "RetryRefused")
    assert again.created == []


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        pytest.param({"n": 2}, ("False", "RetryRefused"), id="another"),
        pytest.param({}, ("False", "RetryRefused"), id="something got lost"),
        pytest.param(..., ("Unknown", "Running"), id="the same"),
    ],
)
def test_a_retry_can_insist_on_the_trigger_of_its_original(
    body: Any, verdict: tuple[str, str]
) -> None:
    again = failed_run().retry()
    again.run["spec"]["retryOf"]["sameTrigger"] = True
    if body is not ...:
        again.run["spec"]["trigger"]["body"] = body
    again.reconcile()
    assert again.verdict() == verdict


def restored(w: World) -> World:
    """The run as `kubectl get -o yaml` and `apply` bring it back: no status, another uid."""
    again = World(w.flow, *w.actions.values())
    again.now = w.now + timedelta(days=1)
    again.run["metadata"] |= {
        "uid": "new",
        "labels": dict(w.run["metadata"].get("labels", {})),
        "annotations": dict(w.run["metadata"].get("annotations", {})),
    }
    return again


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, ("True", "Succeeded")), (3, ("False", "ExitCode"))]
)
def test_a_restored_finished_run_shows_its_verdict_and_runs_nothing(
    code: int, verdict: tuple[str, str]
) -> None:
    w = World(workflow(step("a")), action("do-it"))
    w.reconcile()
    w.ends(code=code)
    w.reconcile()
    assert w.meta("labels")["workflow.do/finished"] == verdict[1]
    again = restored(w)
    again.reconcile()
    assert again.verdict() == verdict
    assert again.completed
    assert again.created == []


def test_a_restored_unfinished_run_is_interrupted() -> None:
    w = World(workflow(step("a")), action("do-it"))
    w.reconcile()
    again = restored(w)
    again.reconcile()
    assert again.verdict() == ("False", "Interrupted")
    assert again.created == []


def test_a_run_restored_before_it_began_begins() -> None:
    again = restored(World(workflow(step("a")), action("do-it")))
    again.reconcile()
    assert again.verdict() == ("Unknown", "Running")
