"""An approval of each item: every item is a unit of its own, decided by itself."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import Raw, World, action, step, workflow
from workflow_do.api import names
from workflow_do.engine import budget
from workflow_do.engine.check import check_workflow

DO = action("do-it")
LIMIT = {"type": "object", "properties": {"limit": {"type": "integer"}}}


def each(**spec: Any) -> Raw:
    asks = {"message": "Pay {{ item.euros }} ({{ index }})?", **spec.pop("approval", {})}
    items = {"items": "{{ trigger.body }}", "maxParallel": spec.pop("maxParallel", 10)}
    return {"id": "ok", "approval": asks, "forEach": items, **spec}


def world(*euros: int, flow: Raw | None = None, **spec: Any) -> World:
    after = step("pay", all="{{ steps.ok.output }}")
    w = World(flow or workflow(each(**spec), after), DO, body=[{"euros": n} for n in euros])
    w.reconcile()
    return w


def states(w: World) -> list[tuple[str, str | None]]:
    return [(item["state"], item.get("reason")) for item in w.step("ok")["items"]]


ASKED = ("Running", "WaitingForApproval")


def test_every_item_is_asked_about_with_its_own_question_and_without_a_job() -> None:
    w = world(10, 20)
    assert states(w) == [ASKED, ASKED]
    assert [i["message"] for i in w.step("ok")["items"]] == ["Pay 10 (0)?", "Pay 20 (1)?"]
    record = w.step("ok")
    assert (record["state"], record["reason"]) == ASKED
    assert record["message"] == "0 of 2 items decided, 2 to be decided now"
    assert record["approvalsRequired"] == 1
    assert w.created == []


def test_each_is_decided_by_itself_and_what_was_added_comes_in_the_order_of_the_list() -> None:
    w = world(10, 20, approval={"dataSchema": LIMIT})
    w.decides("sam", item=1, data={"limit": 5})
    w.reconcile()
    assert states(w) == [ASKED, ("Succeeded", None)]
    assert [v["approver"] for v in w.step("ok")["items"][1]["approvals"]] == ["sam"]
    w.decides("sam", item=0)
    w.reconcile()
    record = w.step("ok")
    assert (record["state"], record.get("reason"), record.get("message")) == (
        "Succeeded",
        None,
        None,
    )
    w.ends("{}")
    w.reconcile()
    assert w.completed
    env = {e["name"]: e for e in w.job()["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["ACTION_INPUT"]["value"] == '{"all":[{},{"limit":5}]}'


def test_no_more_are_asked_about_at_a_time_than_max_parallel_says() -> None:
    w = world(10, 20, 30, maxParallel=2)
    assert states(w) == [ASKED, ASKED, ("Pending", None)]
    early = w.decides("kim", item=2)
    w.reconcile()
    assert states(w)[2] == ("Pending", None)
    w.tick(1)
    w.decides("kim", item=0)
    w.reconcile()
    assert states(w) == [("Succeeded", None), ASKED, ASKED]
    said = w.step("ok")["items"][2]["message"]
    assert said == f"Pay 30 (2)?; ignored: {early} of kim: made before the step began to wait"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param({}, "it names no item", id="no-item"),
        pytest.param({"item": 0, "data": {"limit": "x"}}, "data.limit", id="misfit"),
    ],
)
def test_what_does_not_count_is_told_where_it_might_have(spec: Raw, said: str) -> None:
    w = world(10, approval={"dataSchema": LIMIT})
    name = w.decides("sam", **spec)
    w.reconcile()
    message = w.step("ok")["items"][0]["message"]
    assert message.startswith(f"Pay 10 (0)?; ignored: {name} of sam: ")
    assert said in message


def test_an_item_of_a_step_without_items_does_not_count() -> None:
    w = world(flow=workflow({"id": "ok", "approval": {"message": "Go?"}}))
    name = w.decides("sam", item=0)
    w.reconcile()
    assert w.step("ok")["message"] == f"Go?; ignored: {name} of sam: the step has no items"


def test_one_rejection_fails_the_step_and_nobody_is_asked_any_more() -> None:
    w = world(10, 20, 30)
    w.decides("sam", item=0)
    w.decides("kim", decision="Reject", item=1, comment="too much")
    w.reconcile()
    assert states(w) == [
        ("Succeeded", None),
        ("Failed", "ApprovalRejected"),
        ("Skipped", "NotAwaited"),
    ]
    assert w.step("ok")["message"] == "item 1: rejected by kim: too much"
    assert w.verdict() == ("False", "ApprovalRejected")
    assert w.created == []


def test_with_continue_the_others_go_on_and_the_rejected_one_gives_null() -> None:
    w = world(10, 20, onError="Continue")
    w.decides("kim", decision="Reject", item=0)
    w.reconcile()
    assert states(w) == [("Failed", "ApprovalRejected"), ASKED]
    w.decides("sam", item=1)
    w.reconcile()
    env = {e["name"]: e for e in w.job()["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["ACTION_INPUT"]["value"] == '{"all":[null,{}]}'
    w.ends("{}")
    w.reconcile()
    assert w.verdict() == ("True", "CompletedWithErrors")


def test_another_step_that_fails_ends_the_asking_without_a_failure_of_its_own() -> None:
    side = {**step("side"), "needs": ["trigger"]}
    w = world(10, 20, flow=workflow(side, {**each(), "needs": ["trigger"]}))
    w.decides("sam", item=0)
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert states(w) == [("Succeeded", None), ("Skipped", "NotAwaited")]
    record = w.step("ok")
    assert (record["state"], record["reason"]) == ("Skipped", "NotAwaited")
    assert record["message"] == "the step side had failed"
    assert w.verdict() == ("False", "ExitCode")


@pytest.mark.parametrize(
    ("on_expiry", "reason"), [("Reject", "ApprovalExpired"), ("Approve", None)]
)
def test_each_expires_by_its_own_start(on_expiry: str, reason: str | None) -> None:
    w = world(10, 20, maxParallel=1, approval={"expiresSeconds": 60, "onExpiry": on_expiry})
    w.tick(30)
    w.decides("sam", item=0)
    w.reconcile()
    w.tick(59)
    w.reconcile()
    assert states(w) == [("Succeeded", None), ASKED]
    w.tick(1)
    w.reconcile()
    assert states(w)[1] == (("Failed" if reason else "Succeeded"), reason)


def test_a_cancel_ends_all_of_them_at_once() -> None:
    w = world(10, 20)
    w.ask("Cancelled")
    w.reconcile()
    assert states(w) == [("Failed", "Cancelled")] * 2
    assert w.verdict() == ("False", "Cancelled")


def test_several_people_for_each() -> None:
    w = world(10, 20, approval={"required": 2})
    for who in ("sam", "sam", "kim"):
        w.decides(who, item=0)
        w.tick(1)
    w.decides("kim", item=1)
    w.reconcile()
    votes = [[v["approver"] for v in i["approvals"]] for i in w.step("ok")["items"]]
    assert votes == [["sam", "kim"], ["kim"]]
    assert states(w) == [("Succeeded", None), ASKED]


def test_a_retry_asks_again_about_those_items_alone_that_were_not_approved() -> None:
    w = world(10, 20)
    w.decides("sam", item=0)
    w.decides("kim", decision="Reject", item=1)
    w.reconcile()
    again = w.retry()
    again.reconcile()
    assert states(again) == [("Succeeded", None), ASKED]
    assert again.step("ok")["items"][0]["takenOver"] is True


def test_what_counted_counts_when_the_object_is_gone() -> None:
    w = world(10, 20, approval={"required": 2})
    w.decides("sam", item=1)
    w.reconcile()
    w.approvals.clear()
    w.decides("kim", item=1)
    w.reconcile()
    assert states(w) == [ASKED, ("Succeeded", None)]


def test_there_is_room_for_every_vote_or_nobody_is_asked() -> None:
    most = budget.RECORDS_BYTES // (budget.ITEM_BYTES + budget.VOTE_BYTES)
    w = world(*range(most - 10), maxParallel=names.MAX_ITEMS)
    assert {state for state, _ in states(w)} == {"Running"}
    w = world(*range(most + 1))
    assert w.verdict() == ("False", "StatusTooLarge")


def test_the_checker_knows_the_item_and_the_list_that_comes_of_it() -> None:
    spec = workflow(each(approval={"dataSchema": LIMIT}))["spec"]
    spec["trigger"] = {
        "type": "api",
        "bodySchema": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"euros": {"type": "integer"}},
                "required": ["euros"],
                "additionalProperties": False,
            },
        },
    }
    assert check_workflow("flow", spec, {}) == ()
    spec["steps"][0]["approval"]["message"] = "Pay {{ item.euro }}?"
    spec["outputs"] = {"x": "{{ steps.ok.output.limit }}"}
    found = {f.path: f.message for f in check_workflow("flow", spec, {})}
    assert "`item` has no `euro` (did you mean `euros`?)" in found["steps[0].approval.message"]
    assert "is a list and has no `limit`" in found["outputs.x"]
