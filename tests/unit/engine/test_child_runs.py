"""Steps that start runs of other Workflows: from the start of a child to what follows its end."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from support.calling import call, made_but_not_named, new, world
from support.world import Raw, World, step, workflow
from workflow_do.engine.effects import ControlRun, CreateRun
from workflow_do.engine.kin import parse_child

# From the start to the end.


def test_a_child_gets_the_input_as_its_body_and_gives_its_outputs() -> None:
    w = world(call(), step("after", "plain", r="{{ steps.pay.output.receipt }}"))
    child = w.child("pay")
    assert child.run["spec"]["trigger"]["body"] == {"n": 5}
    assert w.step("pay")["runName"] == child.run["metadata"]["name"]
    assert w.step("pay")["runUID"] == child.run["metadata"]["uid"]
    assert w.created == []

    child.ends('{"id": "r-1"}')
    w.settle()

    assert child.verdict() == ("True", "Succeeded")
    assert w.step("pay")["output"] == {"receipt": "r-1"}
    w.ends("{}")
    w.settle()
    assert w.verdict() == ("True", "Succeeded")


def test_a_child_without_outputs_gives_an_empty_object() -> None:
    w = world(call(), children=(workflow(step("charge"), named="pay"),))
    w.child("pay").ends("{}")
    w.settle()
    assert w.step("pay")["output"] == {}


def test_it_is_written_that_the_step_has_begun_before_the_run_is_made() -> None:
    w = new(call())
    while not w.status.get("steps") or w.step("pay")["state"] == "Pending":
        planned = w.plan()
        assert not any(isinstance(e, CreateRun) for e in planned.effects)
        for effect in planned.effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)

    assert w.started == {}
    assert w.step("pay").get("runUID") is None
    [made] = w.plan().effects
    assert isinstance(made, CreateRun)


def test_a_child_begins_only_when_its_parent_has_named_it() -> None:
    w = made_but_not_named()
    child = w.child("pay")
    child.reconcile()
    assert child.status == {"conditions": [], "steps": []}
    assert child.created == []

    w.reconcile()
    child.reconcile()
    assert len(child.created) == 1


def test_a_run_made_again_after_a_lost_answer_begins_once() -> None:
    """The first was deleted before it was named: it had not begun, so another does no harm."""
    w = made_but_not_named()
    [first] = w.started.values()
    w.started.clear()
    w.settle()
    assert first.created == []
    assert len(w.child("pay").created) == 1


def test_a_child_that_is_gone_is_not_made_again() -> None:
    w = world(call())
    [uid] = (child.run["metadata"]["uid"] for child in w.started.values())
    w.started.clear()
    planned = w.plan(live=False)
    assert planned.needs_live
    assert w.plan().needs_remains == {uid}

    w.remains[uid] = True  # Kubernetes is taking away what it had made
    w.settle()
    assert w.step("pay")["state"] == "Running"
    w.remains[uid] = False
    w.settle()
    assert w.started == {}
    assert (w.step("pay")["state"], w.step("pay")["reason"]) == ("Unknown", "ChildFailed")
    assert "is gone" in w.step("pay")["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"n": 1.0}, id="a whole number with a point"),
        pytest.param({"n": [None, {"x": None}]}, id="null"),
        pytest.param({"n": -0.0}, id="minus nothing"),
    ],
)
def test_what_the_api_server_writes_in_another_way_is_still_the_same_run(body: Any) -> None:
    w = new(call(input=body), children=(workflow(step("charge"), named="pay"),))
    while not w.started:
        for effect in (planned := w.plan()).effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    run = w.child("pay").run
    if body["n"] == 1.0 or body["n"] == 0:
        run["spec"]["trigger"]["body"] = {"n": int(body["n"])}
    w.settle()
    assert w.step("pay")["runUID"] == run["metadata"]["uid"]


# How a child ends.


def ended(*conditions: tuple[str, str], steps: tuple[str, ...] = ("Failed",)) -> Raw:
    rows = [
        {"type": "Completed", "status": "True"},
        *({"type": t, "status": s} for t, s in conditions),
    ]
    told = [{**row, "reason": "R", "lastTransitionTime": "2026-01-31T08:00:00Z"} for row in rows]
    states = [{"id": f"s{at}", "state": state} for at, state in enumerate(steps)]
    return {"metadata": {"name": "c"}, "status": {"conditions": told, "steps": states}}


AGAIN = {"workflowName": "pay", "trigger": {}, "retryOf": {"runName": "c", "runUID": "u"}}
NO, YES = ("Succeeded", "False"), ("Succeeded", "True")


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        pytest.param({"status": {}}, None, id="it goes on"),
        pytest.param(ended(YES), "Succeeded", id="well"),
        pytest.param(ended(NO, steps=()), "NotStarted", id="it was never pinned"),
        pytest.param(ended(NO, steps=("NotStarted", "Pending")), "NotStarted", id="nothing began"),
        pytest.param(
            {**ended(NO, steps=()), "spec": AGAIN}, "Unknown", id="a retry that was refused"
        ),
        pytest.param(ended(NO), "Failed", id="there was nothing to undo"),
        pytest.param(ended(NO, ("Compensated", "True")), "Failed", id="all was undone"),
        pytest.param(
            ended(NO, ("Compensated", "True"), steps=("Unknown",)), "Failed", id="that was, too"
        ),
        pytest.param(ended(NO, ("Compensated", "False")), "Unknown", id="something was not"),
        pytest.param(ended(NO, steps=("Succeeded", "Unknown")), "Unknown", id="not known"),
        pytest.param({"status": "broken"}, None, id="it cannot be read"),
    ],
)
def test_what_a_child_is_to_the_step_that_started_it(raw: Raw, state: str | None) -> None:
    outcome = parse_child(raw).outcome
    assert (outcome.value if outcome is not None else None) == state


def test_a_child_that_fails_undoes_its_own_and_the_parent_what_came_before() -> None:
    pay = workflow(step("charge"), step("book", "plain"), named="pay")
    w = world(step("reserve"), call(compensate={"action": "undo-it"}), children=(pay,))
    w.ends("{}")
    w.settle()
    child = w.child("pay")
    child.ends("{}")
    w.settle()
    child.ends(code=3)
    w.settle()
    child.ends("{}")  # the undo of charge
    w.settle()

    assert child.verdict() == ("False", "ExitCode")
    pay_step = w.step("pay")
    assert (pay_step["state"], pay_step["reason"]) == ("Failed", "ChildFailed")
    assert child.run["metadata"]["name"] in pay_step["message"]
    assert "ExitCode" in pay_step["message"]
    assert "compensation" not in pay_step
    w.ends("{}")  # the undo of reserve
    w.settle()
    assert w.verdict() == ("False", "ChildFailed")
    assert w.step("reserve")["compensation"]["state"] == "Succeeded"


def test_a_child_that_succeeded_is_undone_by_the_step_alone() -> None:
    undo = {"action": "undo-it", "input": {"r": "{{ output.receipt }}", "n": "{{ input.n }}"}}
    w = world(call(compensate=undo), step("after", "plain"))
    child = w.child("pay")
    child.ends('{"id": "r-1"}')
    w.settle()
    w.ends(code=1)
    w.settle()

    made = w.job("pay")
    env = made["spec"]["template"]["spec"]["containers"][0]["env"]
    assert next(e["value"] for e in env if e["name"] == "ACTION_INPUT") == '{"r":"r-1","n":5}'
    assert len(child.created) == 1
    assert child.verdict() == ("True", "Succeeded")


def test_what_a_child_could_not_undo_is_left_to_the_step() -> None:
    pay = workflow(step("charge"), step("book", "plain"), named="pay", failurePolicy="Stop")
    w = world(call(compensate={"action": "undo-it"}), children=(pay,))
    child = w.child("pay")
    child.ends("{}")
    w.settle()
    child.ends(code=1)
    w.settle()
    assert w.step("pay")["state"] == "Unknown"
    assert w.step("pay")["compensation"]["state"] == "Running"


def test_a_failing_child_may_be_continued() -> None:
    w = world(call(onError="Continue"), step("after", "plain"))
    w.child("pay").ends(code=1)
    w.settle()
    w.ends("{}")
    w.settle()
    assert w.verdict() == ("True", "CompletedWithErrors")


# Whose child a run is.


def forged(w: World, **changes: Any) -> World:
    """Somebody makes a run of the child's name before the operator does."""
    manifest = made_but_not_named().child("pay").run
    manifest = copy.deepcopy(manifest)
    manifest["spec"] |= changes
    w._start(manifest)
    return w.child("pay")


def test_a_forged_run_that_comes_before_its_step_is_refused_and_never_begins() -> None:
    w = new(step("first", "plain"), call())
    w.settle()
    child = forged(w)
    w.settle()
    assert child.verdict() == ("False", "NotAChild")
    assert child.created == []


def test_a_forged_run_of_another_workflow_is_not_taken_for_the_child() -> None:
    w = new(call())
    child = forged(w, workflowName="other")
    w.reconcile()
    assert (w.step("pay")["state"], w.step("pay")["reason"]) == ("NotStarted", "NameConflict")
    child.reconcile()
    assert child.verdict() == ("False", "NotAChild")


def test_a_second_run_that_says_it_is_the_child_is_refused() -> None:
    w = world(call())
    real = w.child("pay")
    name = real.run["metadata"]["name"]
    del w.started[name]
    w._start({**real.run, "metadata": {**real.run["metadata"], "annotations": {}}, "status": {}})
    false = w.started[name]
    false.run["metadata"]["uid"] = "uid-of-another"
    false.reconcile()
    assert false.verdict() == ("False", "NotAChild")
    assert false.created == []


# Control.


def test_a_child_is_paused_and_resumed_with_its_parent() -> None:
    w = world(call())
    child = w.child("pay")
    w.ask("Paused")
    w.settle()
    assert child.run["spec"]["desiredState"] == "Paused"
    assert child.verdict()[1] == "Paused"

    w.ask("Running")
    w.settle()
    assert child.run["spec"]["desiredState"] == "Running"


def test_a_child_paused_by_hand_is_resumed_by_hand() -> None:
    w = world(call())
    child = w.child("pay")
    child.ask("Paused")
    w.settle()
    assert child.run["spec"]["desiredState"] == "Paused"
    assert w.step("pay")["reason"] == "Paused"


def test_no_child_is_made_while_its_parent_is_paused() -> None:
    w = new(call())
    name = made_but_not_named().child("pay").run["metadata"]["name"]
    while not w.status.get("steps") or w.step("pay")["state"] == "Pending":
        for effect in (planned := w.plan()).effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    w.ask("Paused")
    w.settle()
    assert w.started == {}
    w.ask("Running")
    w.settle()
    assert list(w.started) == [name]


@pytest.mark.parametrize("wish", ["Cancelled", "CancelledWithCompensation"])
def test_a_cancel_is_passed_on_as_it_is(wish: str) -> None:
    w = world(call(), step("after", "plain"))
    child = w.child("pay")
    child.runs()
    w.ask(wish)
    w.settle()
    assert child.run["spec"]["desiredState"] == wish
    assert not w.completed

    child.ends(code=143 if wish == "Cancelled" else 0)
    w.settle()
    if not child.completed:
        child.ends("{}")  # the undo
        w.settle()
    assert w.verdict() == ("False", "Cancelled")
    assert w.step("pay")["reason"] == "Cancelled"
    assert w.step("after")["state"] == "Pending"


def test_a_parent_that_is_cancelled_before_its_child_is_made_makes_none() -> None:
    w = made_but_not_named()
    [child] = w.started.values()
    w.ask("Cancelled")
    w.settle()
    assert w.verdict() == ("False", "Cancelled")
    assert (w.step("pay")["state"], w.step("pay")["reason"]) == ("NotStarted", "Cancelled")
    assert child.verdict() == ("False", "NotAChild")
    assert child.created == []


@pytest.mark.parametrize(
    ("policy", "asked"),
    [("Compensate", "CancelledWithCompensation"), ("Stop", "Cancelled")],
)
@pytest.mark.parametrize("of", ["step", "run"])
def test_a_deadline_cancels_the_child(policy: str, asked: str, of: str) -> None:
    limit = {"activeDeadlineSeconds": 60}
    on_step, on_run = (limit, {}) if of == "step" else ({}, limit)
    w = world(call(**on_step), failurePolicy=policy, **on_run)
    child = w.child("pay")
    w.tick(60)
    w.settle()
    assert child.run["spec"]["desiredState"] == asked
    child.ends("{}")  # where it was not stopped, an undo follows
    w.settle()
    if not child.completed:
        child.ends("{}")
        w.settle()
    reason = "StepDeadlineExceeded" if of == "step" else "RunDeadlineExceeded"
    assert w.step("pay")["reason"] == reason
    assert w.verdict() == ("False", reason)


def test_a_child_that_succeeded_before_the_deadline_was_seen_has_succeeded() -> None:
    w = world(call(activeDeadlineSeconds=60))
    child = w.child("pay")
    child.ends('{"id": "r-1"}')
    child.reconcile()
    w.tick(60)
    w.settle()
    assert w.verdict() == ("True", "Succeeded")


def test_another_step_that_fails_lets_the_child_end_by_itself() -> None:
    w = world(call(needs=["trigger"]), step("other", "plain") | {"needs": ["trigger"]})
    child = w.child("pay")
    w.ends(code=1)
    w.settle()
    assert not child.completed
    assert child.run["spec"]["desiredState"] == "Running"
    child.ends('{"id": "r-1"}')
    w.settle()
    assert w.step("pay")["state"] == "Succeeded"
    assert w.verdict() == ("False", "ExitCode")


def test_a_parent_that_has_lost_its_revision_cancels_its_child() -> None:
    w = world(call())
    child = w.child("pay")
    child.runs()
    w.revisions = {k: v for k, v in w.revisions.items() if not k.startswith("flow-")}
    planned = w.plan()
    assert planned.effects == (
        ControlRun(child.run["metadata"]["name"], child.run["metadata"]["uid"], "Cancelled"),
    )
    w.settle()
    assert not w.completed
    child.ends(code=143)
    w.settle()
    assert w.verdict() == ("False", "RevisionLost")
