"""Child runs: one for each item, their keys, depth and revisions, and what a retry takes over."""

from __future__ import annotations

from support.calling import ACTIONS, call, key_of, made_but_not_named, new, world
from support.world import World, step, workflow
from workflow_do.api.reasons import Reason
from workflow_do.engine.facts import Refusal

# Lists.


def test_every_item_has_a_child_of_its_own() -> None:
    each = {"forEach": {"items": "{{ trigger.body }}", "maxParallel": 2}}
    w = world(call(input={"n": "{{ item }}"}, **each), body=[7, 8, 9])
    assert len(w.started) == 2
    for at, n in enumerate((7, 8, 9)):
        child = w.child("pay", at)
        assert child.run["spec"]["trigger"]["body"] == {"n": n}
        child.ends(f'{{"id": "r-{n}"}}')
        w.settle()
    assert w.verdict() == ("True", "Succeeded")
    assert [i["output"] for i in w.step("pay")["items"]] == [
        {"receipt": f"r-{n}"} for n in (7, 8, 9)
    ]
    assert len({i["runUID"] for i in w.step("pay")["items"]}) == 3


# Keys, depth, revisions.


def test_the_keys_of_a_child_are_of_the_root_run_and_the_way_to_it() -> None:
    """Step `charge` of the parent and of the child are two things, and each item is one."""
    each = {"forEach": {"items": "{{ [1, 2] }}"}}
    w = world(step("charge", "plain") | {"needs": ["trigger"]}, call(needs=["trigger"], **each))
    children = [w.child("pay", at) for at in (0, 1)]
    keys = {key_of(w.job("charge")), *(key_of(c.job("charge")) for c in children)}
    assert len(keys) == 3
    assert [c.status["callPath"] for c in children] == ["pay[0]", "pay[1]"]
    assert {c.status["rootRunUID"] for c in children} == {"uid-run-1"}


def test_a_workflow_may_start_itself_ten_deep_and_no_deeper() -> None:
    flow = workflow(call("again", "flow"))
    w = World(flow, *ACTIONS)
    w.workflows = {"flow": flow}
    w.settle()
    assert len(w.started) == 10
    deepest = max(w.started.values(), key=lambda r: r.status["depth"])
    assert deepest.status["depth"] == 10
    assert deepest.status["callPath"] == "/".join(["again"] * 10)
    assert deepest.verdict() == ("False", "NestedTooDeep")
    assert w.verdict() == ("False", "ChildFailed")
    assert "NestedTooDeep" in deepest.parent.step("again")["message"] if deepest.parent else False


def test_a_child_runs_the_revision_that_its_parents_names() -> None:
    w = new(step("first", "plain"), call())
    w.settle()
    named = w.status["childRevisions"]["pay"]
    w.workflows["pay"] = workflow(step("charge", "plain"), step("more", "plain"), named="pay")
    w.ends("{}")
    w.settle()
    child = w.child("pay")
    assert child.status["revisionName"] == named == child.run["spec"]["revisionName"]
    assert len(child.status["steps"]) == 1


def test_a_change_of_a_child_is_another_revision_of_its_parent() -> None:
    before, after = new(call()), new(call())
    after.workflows["pay"] = workflow(step("charge", "plain"), named="pay")
    for w in (before, after):
        w.settle()
    assert before.status["revisionName"] != after.status["revisionName"]


def test_workflows_that_start_each_other_have_revisions() -> None:
    ping = workflow(
        call("pong", "pong", when="{{ trigger.body.go | default(false) }}"), named="ping"
    )
    pong = workflow(
        call("ping", "ping", when="{{ trigger.body.go | default(false) }}"), named="pong"
    )
    w = world(call("ping", "ping"), children=(ping, pong))
    assert set(w.status["childRevisions"]) == {"ping", "pong"}
    assert w.child("ping").verdict() == ("True", "Succeeded")
    assert set(w.revisions) == {w.status["revisionName"], *w.status["childRevisions"].values()}


# Again.


def retried(w: World) -> World:
    again = w.retry()
    again.settle()
    return again


def test_a_retry_takes_over_a_child_that_succeeded() -> None:
    w = world(call(), step("after", "plain"))
    w.child("pay").ends('{"id": "r-1"}')
    w.settle()
    w.ends(code=1)
    w.settle()
    again = retried(w)
    assert len(w.started) == 1
    assert (again.step("pay")["takenOver"], again.step("pay")["output"]) == (
        True,
        {"receipt": "r-1"},
    )


def test_a_retry_retries_a_child_that_failed() -> None:
    """What succeeded there and was not undone is taken over; keys stay the same."""
    pay = workflow(step("charge", "plain"), step("book", "plain"), named="pay")
    w = world(call(), children=(pay,))
    first = w.child("pay")
    first.ends("{}")
    w.settle()
    first.ends(code=1)
    w.settle()
    again = retried(w)
    second = again.child("pay")
    meta = first.run["metadata"]
    assert second.run["spec"]["retryOf"]["runUID"] == meta["uid"]
    assert second.step("charge")["takenOver"] is True
    assert key_of(second.job("book")) == key_of(first.job("book"))
    assert again.step("pay")["runUID"] == second.run["metadata"]["uid"]
    second.ends("{}")
    again.settle()
    assert again.verdict() == ("True", "Succeeded")


def test_what_a_retry_did_not_come_to_is_left_to_the_next() -> None:
    """The child of the first run is retried by the third: the second never began its own."""
    w = world(call(when="{{ trigger.body }}"), body=True)
    first = w.child("pay")
    first.ends(code=1)
    w.settle()
    again = w.retry()
    again.run["spec"]["trigger"]["body"] = "no boolean"
    again.settle()
    assert again.verdict() == ("False", "InvalidTemplate")
    third = again.retry()
    third.run["metadata"] |= {"name": "run-3", "uid": "uid-run-3"}
    third.run["spec"]["retryOf"] = {"runName": "run-2", "runUID": "uid-run-2"}
    third.run["spec"]["trigger"]["body"] = True
    third.settle()
    asked = third.child("pay").run["spec"]["retryOf"]
    assert asked["runUID"] == first.run["metadata"]["uid"]


def test_a_child_that_was_undone_runs_again_as_another_piece_of_work() -> None:
    w = world(call(compensate={"action": "undo-it"}), step("after", "plain"))
    first = w.child("pay")
    first.ends('{"id": "r-1"}')
    w.settle()
    w.ends(code=1)
    w.settle()
    w.ends("{}")  # the undo
    w.settle()
    second = retried(w).child("pay")
    assert second is not first
    assert "retryOf" not in second.run["spec"]
    assert second.status["callPath"] == "pay@1"
    assert key_of(second.job("charge")) != key_of(first.job("charge"))


def test_an_item_of_a_failed_list_is_retried_by_its_own_child() -> None:
    each = {"forEach": {"items": "{{ [1, 2] }}"}}
    w = world(call(**each))
    w.child("pay", 0).ends('{"id": "r-1"}')
    w.settle()
    failed = w.child("pay", 1)
    failed.ends(code=1)
    w.settle()
    again = retried(w)
    assert again.step("pay")["items"][0]["state"] == "Succeeded"
    spec = again.child("pay", 1).run["spec"]
    assert spec["retryOf"]["runName"] == failed.run["metadata"]["name"]
    assert len(again.children()) == 1


def test_a_child_is_retried_with_its_parent_only() -> None:
    w = world(call())
    child = w.child("pay")
    child.ends(code=1)
    w.settle()
    again = child.retry()
    meta = child.run["metadata"]
    again.run["spec"] |= {
        "workflowName": "pay",
        "retryOf": {"runName": meta["name"], "runUID": meta["uid"]},
    }
    again.reconcile()
    assert again.verdict() == ("False", "RetryRefused")
    rows = {c["type"]: c for c in again.status["conditions"]}
    assert "was started by the run 'run-1'" in rows["Succeeded"]["message"]


def test_a_child_workflow_that_is_not_there_ends_the_run() -> None:
    w = new(call(name="nobody"))
    w.reconcile()
    w.tick(20)
    w.reconcile()
    assert w.verdict() == ("False", "WorkflowNotFound")
    assert w.started == w.revisions == {}


def test_a_run_that_the_api_server_refuses_ends_the_step() -> None:
    w = new(call())
    name = made_but_not_named().child("pay").run["metadata"]["name"]
    w.refusals[name] = Refusal(Reason.CHILD_FAILED, "HTTP 403: no quota")
    w.reconcile()
    assert (w.step("pay")["state"], w.step("pay")["reason"]) == ("NotStarted", "ChildFailed")
    assert "no quota" in w.step("pay")["message"]
