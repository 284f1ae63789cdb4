"""Undoing under pause, cancel, deadlines, crashes and retries of the run."""

from __future__ import annotations

from support.sagas import (
    condition,
    fail,
    input_of,
    key_of,
    role_of,
    succeed,
    three,
    undoable,
    undone,
)


def test_a_paused_run_begins_no_undo() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}')
    w.ask("Paused")
    fail(w)
    assert role_of(w) == ("do", "c")
    assert w.verdict() == ("Unknown", "Paused")
    w.ask("Running")
    w.reconcile()
    assert role_of(w) == ("undo", "b")


def test_a_plain_cancel_undoes_nothing_and_says_so() -> None:
    w = three()
    succeed(w, '{"n": 1}')
    w.runs()
    w.ask("Cancelled")
    w.reconcile()
    w.ends(code=143)
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert w.verdict() == ("False", "Cancelled")
    assert condition(w, "Compensated")["reason"] == "NotCompensated"
    assert len(w.created) == 2


def test_a_cancel_during_the_undo_lets_it_end_and_begins_no_other() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    w.runs()
    w.ask("Cancelled")
    w.reconcile()
    assert not w.completed
    assert "stopReason" not in undone(w, "b")
    succeed(w)
    assert w.completed
    assert w.verdict() == ("False", "ExitCode"), "the reason stays that of the first failure"
    assert undone(w, "b")["state"] == "Succeeded"
    assert not undone(w, "a")
    assert condition(w, "Compensated")["message"] == "not undone: a"
    assert "onFailure" not in w.status


def test_a_cancel_with_compensation_waits_for_what_runs_then_undoes() -> None:
    w = three()
    succeed(w, '{"n": 1}')
    w.runs()
    w.ask("CancelledWithCompensation")
    w.reconcile()
    assert "stopReason" not in w.step("b")
    assert w.verdict() == ("Unknown", "Compensating")
    succeed(w, '{"n": 2}')
    assert role_of(w) == ("undo", "b"), "no further step begins"
    assert w.step("c")["state"] == "Pending"
    succeed(w, "{}", "{}")
    assert w.verdict() == ("False", "Cancelled")
    assert condition(w, "Compensated")["status"] == "True"
    assert "onFailure" not in w.status


def test_a_cancel_with_compensation_makes_no_other_try() -> None:
    retry = {"maxAttempts": 3, "initialDelaySeconds": 60}
    w = three(undoable(retry=retry))
    succeed(w, '{"n": 1}')
    fail(w)
    assert w.step("b")["state"] == "Retrying"
    w.ask("CancelledWithCompensation")
    w.reconcile()
    assert w.step("b")["state"] == "Failed"
    assert role_of(w) == ("undo", "a")
    succeed(w)
    assert w.completed


def test_a_cancel_with_compensation_during_the_last_step_undoes_everything() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}')
    w.ask("CancelledWithCompensation")
    succeed(w)
    assert w.step("c")["state"] == "Succeeded"
    assert role_of(w) == ("undo", "b")
    succeed(w, "{}", "{}")
    assert w.verdict() == ("False", "Cancelled")
    assert condition(w, "Compensated")["status"] == "True"


def test_cancel_with_compensation_undoes_whatever_the_policy_says() -> None:
    w = three(failurePolicy="Stop")
    succeed(w, '{"n": 1}')
    w.ask("CancelledWithCompensation")
    succeed(w, '{"n": 2}')
    assert role_of(w) == ("undo", "b")


def test_the_deadline_of_the_run_covers_steps_only() -> None:
    w = three(activeDeadlineSeconds=60)
    succeed(w, '{"n": 1}')
    w.runs()
    w.tick(61)
    w.reconcile()
    w.ends(code=143)
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert w.step("b")["reason"] == "RunDeadlineExceeded"
    assert role_of(w) == ("undo", "a"), "b: its undo needs an output that nobody knows"
    w.runs()
    w.tick(600)
    w.reconcile()
    assert "stopReason" not in undone(w, "a")
    succeed(w, "{}", "{}")
    assert w.verdict() == ("False", "RunDeadlineExceeded")


def test_a_crash_before_the_status_was_written_makes_no_second_undo() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}')
    before = w.status
    fail(w)
    assert role_of(w) == ("undo", "b")
    w.run = {**w.run, "status": before}
    w.reconcile()
    assert undone(w, "b")["state"] == "Running"
    assert sum("undo-b" in name for name in w.created) == 1


def test_a_retried_run_runs_what_was_undone_again_under_another_key() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    succeed(w)
    fail(w, code=9)
    succeed(w)
    assert (undone(w, "b")["state"], undone(w, "a")["state"]) == ("Succeeded", "Failed")
    again = w.retry()
    again.reconcile()
    assert again.step("a")["state"] == "Running", "nobody knows what is left of it"
    succeed(again, '{"n": 1}')
    assert again.step("b")["state"] == "Running"
    first = next(j for n, j in w.jobs.items() if "-b-" in n and "undo" not in n)
    assert key_of(again.job()) != key_of(first)
    succeed(again, '{"n": 2}')
    fail(again)
    undo_before = next(j for n, j in w.jobs.items() if "undo-b" in n)
    assert role_of(again) == ("undo", "b")
    assert key_of(again.job()) != key_of(undo_before), "undoing the second is another act"


def test_what_was_taken_over_is_undone_like_the_rest() -> None:
    w = three(failurePolicy="Stop")
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    succeed(w)
    again = w.retry()
    assert w.flow is not None
    again.ask("Running")
    again.reconcile()
    assert again.step("a")["takenOver"] is True
    again.ask("CancelledWithCompensation")
    fail(again)
    assert role_of(again) == ("undo", "b")
    assert input_of(again.job()) == '{"n":2,"was":{"k":2}}'
    succeed(again)
    assert role_of(again) == ("undo", "a")


def test_events_tell_of_an_undo_that_failed() -> None:
    from workflow_do.api.run import RunStatus
    from workflow_do.engine.transitions import transitions

    w = three()
    succeed(w, '{"n": 1}')
    w.ends("no JSON")
    before = RunStatus.model_validate(w.status)
    w.reconcile()
    notes = transitions(before, RunStatus.model_validate(w.status))
    assert [(n.type, n.reason) for n in notes if "undo of step b" in n.message] == [
        ("Warning", "OutcomeUnknown")
    ]
