"""Retries, deadlines, pause and cancel."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from support.world import START, World, action, step, workflow
from workflow_do.engine.facts import parse_time

TELL = {"action": "tell", "input": {"n": "{{ failure.attempt }}", "log": "{{ failure.logsTail }}"}}
THREE = {"maxAttempts": 3, "initialDelaySeconds": 10, "backoffFactor": 2}


def world(*, body: Any = None, **spec: Any) -> World:
    """One step with these fields of its Action, and a handler."""
    flow = workflow(step("a"), onFailure=TELL)
    w = World(flow, action("do-it", **spec), action("tell"), body=body)
    w.reconcile()
    return w


def wait_for_the_next_try(w: World) -> float:
    """Let the pause pass; its length in seconds."""
    due = parse_time(w.step("a")["retryTime"])
    assert due is not None
    pause = (due - w.now).total_seconds()
    w.tick(pause)
    w.reconcile()
    return pause


def test_a_failed_try_is_followed_by_another_until_one_succeeds() -> None:
    w = world(retry=THREE)
    w.ends(code=1)
    w.reconcile()
    assert w.step("a")["state"] == "Retrying"
    assert w.verdict() == ("Unknown", "Retrying")
    assert wait_for_the_next_try(w) <= 10
    w.ends('{"x": 1}')
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")
    assert (w.step("a")["tries"], w.step("a")["attempts"]) == (2, 2)
    assert len(w.created) == 2
    assert "reason" not in w.step("a")


def test_after_the_last_attempt_the_handler_is_told_which_it_was() -> None:
    w = world(retry=THREE)
    pauses = []
    for _ in range(2):
        w.ends(code=1)
        w.reconcile()
        pauses.append(wait_for_the_next_try(w))
    w.ends(code=1)
    w.reconcile()
    assert w.step("a")["state"] == "Failed"
    assert w.step("a")["attempts"] == 3
    assert 16 <= pauses[1] <= 20
    env = w.job()["spec"]["template"]["spec"]["containers"][0]["env"]
    given = json.loads(next(e["value"] for e in env if e["name"] == "ACTION_INPUT"))
    assert given["n"] == 3
    assert len(w.created) == 4


def test_the_pause_is_the_same_whenever_it_is_planned_and_capped() -> None:
    w = world(retry={**THREE, "maxDelaySeconds": 5})
    w.ends(code=1)
    w.reconcile()
    before = w.step("a")["retryTime"]
    w.tick(1)
    w.reconcile()
    assert w.step("a")["retryTime"] == before
    assert wait_for_the_next_try(w) <= 5


OUTCOMES = [
    pytest.param({"code": 1}, {}, True, id="failed"),
    pytest.param({"code": 3}, {"nonRetryableExitCodes": [3]}, False, id="exit-code-excluded"),
    pytest.param({"code": 3}, {"retryOn": ["OOMKilled"]}, False, id="not-asked-for"),
    pytest.param({"code": 3}, {"retryOn": ["ExitCode"]}, True, id="asked-for"),
    pytest.param({"code": 137, "reason": "OOMKilled"}, {}, False, id="unknown-not-safe"),
    pytest.param({"output": "nonsense"}, {}, False, id="bad-output-not-safe"),
    pytest.param({"code": 128, "reason": "StartError"}, {}, False, id="never-began"),
]


@pytest.mark.parametrize(("ends", "extra", "again"), OUTCOMES)
def test_which_outcomes_are_tried_again(
    ends: dict[str, Any], extra: dict[str, Any], again: bool
) -> None:
    w = world(retry={**THREE, **extra})
    w.ends(**ends)
    w.reconcile()
    assert (w.step("a")["state"] == "Retrying") is again


@pytest.mark.parametrize("ends", [{"code": 137, "reason": "OOMKilled"}, {"output": "nonsense"}])
def test_an_idempotent_action_is_tried_again_when_it_is_not_known_what_it_did(
    ends: dict[str, Any],
) -> None:
    w = world(retry=THREE, retrySafety="Idempotent")
    w.ends(**ends)
    w.reconcile()
    assert w.step("a")["state"] == "Retrying"


def test_what_an_earlier_try_may_have_done_is_not_forgotten() -> None:
    w = world(retry={**THREE, "maxAttempts": 2}, retrySafety="Idempotent")
    w.ends(code=137, reason="OOMKilled")
    w.reconcile()
    wait_for_the_next_try(w)
    w.ends(code=1)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "ExitCode")


def test_infrastructure_trouble_before_it_began_is_free_of_charge_ten_times() -> None:
    w = world()
    for _ in range(10):
        w.pod(phase="Failed", reason="Evicted", message="disk pressure")
        w.reconcile()
        assert w.step("a")["state"] == "Retrying"
        wait_for_the_next_try(w)
    assert (w.step("a")["tries"], w.step("a")["attempts"]) == (11, 0)
    w.pod(phase="Failed", reason="Evicted", message="disk pressure")
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("NotStarted", "Evicted")


def test_a_retry_is_written_down_before_it_starts() -> None:
    """Else a crash would forget that an attempt was spent."""
    w = world(retry={"maxAttempts": 2, "initialDelaySeconds": 0})
    w.ends(code=1)
    planned = w.plan()
    assert planned.effects == ()
    assert planned.status.steps[0].state == "Retrying"


def test_a_step_has_its_own_retry_instead_of_the_actions() -> None:
    flow = workflow({**step("a"), "retry": {"maxAttempts": 1}})
    w = World(flow, action("do-it", retry=THREE))
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert w.step("a")["state"] == "Failed"


def test_the_deadline_of_a_step_stops_its_try_and_no_other_follows() -> None:
    flow = workflow({**step("a"), "activeDeadlineSeconds": 30, "retry": THREE}, onFailure=TELL)
    w = World(flow, action("do-it"), action("tell"))
    assert (w.reconcile().look_at or START) <= START + timedelta(seconds=30)
    w.runs()
    w.tick(30)
    w.reconcile()
    assert w.step("a")["stopReason"] == "StepDeadlineExceeded"
    assert w.pod()["spec"]["activeDeadlineSeconds"] == 1
    w.ends(code=143, reason="Error")
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "StepDeadlineExceeded")


def test_no_try_begins_that_the_steps_deadline_would_cut() -> None:
    flow = workflow({**step("a"), "activeDeadlineSeconds": 5, "retry": THREE})
    w = World(flow, action("do-it"))
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Failed", "StepDeadlineExceeded")


def test_the_deadline_of_the_run_stops_steps_but_not_the_handler() -> None:
    flow = workflow(step("a"), step("b"), onFailure=TELL, activeDeadlineSeconds=60)
    w = World(flow, action("do-it"), action("tell"))
    w.reconcile()
    w.runs()
    w.tick(60)
    w.reconcile()
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.ends(code=137, reason="Error")
    w.reconcile()
    assert w.status["onFailure"]["state"] == "Running"
    w.tick(600)
    w.ends()
    w.reconcile()
    assert w.verdict() == ("False", "RunDeadlineExceeded")
    assert w.step("b")["state"] == "Pending"


def test_time_spent_paused_does_not_count_for_the_runs_deadline() -> None:
    flow = workflow(step("a"), step("b"), activeDeadlineSeconds=60)
    w = World(flow, action("do-it"))
    w.reconcile()
    w.ask("Paused")
    w.reconcile()
    w.ends()
    w.tick(1000)
    w.reconcile()
    assert w.verdict() == ("Unknown", "Paused")
    assert w.step("b")["state"] == "Pending"
    w.ask("Running")
    w.reconcile()
    assert w.step("b")["state"] == "Running"
    assert w.status["pausedSeconds"] == 1000
    assert "pausedSince" not in w.status
    w.ends()
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")


def test_a_paused_run_starts_nothing_not_even_the_handler() -> None:
    w = world(retry=THREE)
    w.ask("Paused")
    w.ends(code=1)
    w.reconcile()
    w.tick(1000)
    w.reconcile()
    assert len(w.created) == 1
    assert [c["status"] for c in w.status["conditions"] if c["type"] == "Paused"] == ["True"]
    w.ask("Running")
    w.reconcile()
    assert len(w.created) == 2
    assert "Paused" not in [c["type"] for c in w.status["conditions"]]


def test_a_cancelled_run_stops_what_is_live_and_ends_without_the_handler() -> None:
    w = world(retry=THREE)
    w.runs()
    w.ask("Cancelled")
    w.reconcile()
    assert w.verdict() == ("Unknown", "Cancelling")
    assert w.pod()["spec"]["activeDeadlineSeconds"] == 1
    w.ends(code=143, reason="Error")
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert w.verdict() == ("False", "Cancelled")
    assert w.completed
    assert len(w.created) == 1


def test_cancelled_between_two_tries_and_before_the_first_step() -> None:
    w = world(retry=THREE)
    w.ends(code=1)
    w.reconcile()
    w.ask("Cancelled")
    w.reconcile()
    assert w.verdict() == ("False", "Cancelled")
    assert w.step("a")["state"] == "Failed"

    fresh = World(workflow(step("a")), action("do-it"))
    fresh.ask("Cancelled")
    fresh.reconcile()
    assert fresh.verdict() == ("False", "Cancelled")
    assert fresh.created == []


def test_cancelled_while_the_handler_runs_keeps_the_first_reason() -> None:
    w = world()
    w.ends(code=7)
    w.reconcile()
    w.ask("Cancelled")
    w.reconcile()
    assert not w.completed
    w.ends()
    w.reconcile()
    assert w.verdict() == ("False", "ExitCode")
    assert w.status["onFailure"]["state"] == "Succeeded"


def test_a_cancel_that_comes_too_late_changes_nothing() -> None:
    w = world()
    w.ends()
    w.ask("Cancelled")
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")


def test_a_run_that_is_being_deleted_starts_nothing_more() -> None:
    w = world(retry=THREE)
    w.run["metadata"]["deletionTimestamp"] = "2026-01-31T08:00:05Z"
    w.ends(code=1)
    w.reconcile()
    w.tick(1000)
    w.reconcile()
    assert len(w.created) == 1


def test_a_step_whose_deadline_passed_while_paused_is_not_tried_again() -> None:
    flow = workflow({**step("a"), "activeDeadlineSeconds": 60, "retry": THREE})
    w = World(flow, action("do-it"))
    w.reconcile()
    w.ends(code=1)
    w.ask("Paused")
    w.reconcile()
    w.tick(600)
    w.ask("Running")
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Failed", "StepDeadlineExceeded")
    assert len(w.created) == 1


def test_waiting_on_a_suspended_workflow_is_no_part_of_the_runs_deadline() -> None:
    w = World(workflow(step("a"), suspend=True, activeDeadlineSeconds=60), action("do-it"))
    w.reconcile()
    w.tick(3600)
    assert w.flow is not None
    w.flow["spec"]["suspend"] = False
    w.reconcile()
    assert w.step("a")["state"] == "Running"


def test_a_node_that_dies_before_the_container_begins_does_not_hang_the_run() -> None:
    w = world(startDeadlineSeconds=30, activeDeadlineSeconds=60)
    w.pod(containerStatuses=[{"name": "action", "state": {"waiting": {"reason": "X"}}}])
    w.tick(30)
    w.reconcile()
    w.tick(600)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "NodeLost")


def test_a_suspended_workflow_holds_new_runs_without_a_limit() -> None:
    w = World(workflow(step("a"), suspend=True), action("do-it"))
    w.reconcile()
    w.tick(100_000)
    w.reconcile()
    assert w.verdict() == ("Unknown", "WorkflowSuspended")
    assert w.flow is not None
    w.flow["spec"]["suspend"] = False
    w.reconcile()
    assert w.verdict() == ("Unknown", "Running")


def test_suspending_makes_no_new_revision() -> None:
    w = World(workflow(step("a")), action("do-it"))
    w.reconcile()
    again = World(workflow(step("a"), suspend=False), action("do-it"), name="run-2")
    again.revisions = w.revisions
    again.reconcile()
    assert len(again.revisions) == 1


def test_the_end_of_the_log_is_kept_without_control_characters() -> None:
    w = world()
    w.pod()
    w.logs = dict.fromkeys(w.pods, "x" * 3000 + "\x1b[31mred\x00\nlast\tline\n")
    w.ends(code=1)
    w.reconcile()
    tail = w.step("a")["logsTail"]
    assert tail.endswith("xred\nlast\tline")
    assert len(tail.encode()) <= 2048


def test_the_log_is_asked_for_before_the_verdict_is_written() -> None:
    w = world()
    w.ends(code=1)
    observed = w.observe()
    from dataclasses import replace

    from workflow_do.engine.plan import plan

    planned = plan(replace(observed, logs={}), w.now)
    assert list(planned.needs_logs) == list(w.pods)
    assert planned.status == observed.run.status
