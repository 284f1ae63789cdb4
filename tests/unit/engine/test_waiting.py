"""Steps without a Job: waits and approvals, from their start to what follows from their end."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import START, Raw, World, action, step, workflow
from workflow_do.engine.facts import Guard
from workflow_do.engine.timestamps import stamp

DO = action("do-it")


def wait(**spec: Any) -> Raw:
    return {"id": "pause", "wait": spec}


def ask(**spec: Any) -> Raw:
    return {"id": "ok", "approval": spec}


def world(*steps: Raw, body: Any = None, **spec: Any) -> World:
    """A run whose first step, if it is one, waits already."""
    w = World(workflow(*steps, **spec), DO, body=body)
    w.reconcile()
    return w


# Waits.


@pytest.mark.parametrize("wish", ["Cancelled", "CancelledWithCompensation"])
@pytest.mark.parametrize("waits", [wait(seconds=3600), ask()], ids=["wait", "approval"])
def test_a_wait_ends_at_once_however_the_run_is_cancelled(waits: Raw, wish: str) -> None:
    w = world(waits, step("a"))
    w.ask(wish)
    w.reconcile()
    assert w.verdict() == ("False", "Cancelled")
    assert (w.step(waits["id"])["state"], w.created) == ("Failed", [])


def test_a_wait_has_no_job_and_says_until_when() -> None:
    w = world(wait(seconds=60), step("a"))

    assert w.created == []
    assert w.step("pause") == {
        "id": "pause",
        "state": "Running",
        "reason": "Waiting",
        "message": "until 2026-01-31T08:01:00Z",
        "seq": 1,
        "tries": 0,
        "attempts": 0,
        "startTime": stamp(START),
        "inputHash": w.step("pause")["inputHash"],
        "waitUntil": "2026-01-31T08:01:00Z",
    }
    assert w.run["metadata"]["annotations"]["workflow.do/started-uid"] == "uid-run-1"


def test_what_follows_starts_when_it_is_over_and_not_before() -> None:
    w = world(wait(seconds=60), step("a"))
    w.tick(59)
    planned = w.reconcile()
    assert (w.created, stamp(planned.look_at or START)) == ([], "2026-01-31T08:01:00Z")

    w.tick(1)
    w.reconcile()

    assert (w.step("pause")["state"], w.step("pause")["output"]) == ("Succeeded", {})
    assert w.step("a")["state"] == "Running"


def test_the_end_of_a_wait_is_written_before_anything_follows() -> None:
    w = world(wait(seconds=60), step("a"))
    w.tick(60)
    planned = w.plan()

    assert planned.effects == ()
    assert planned.status.steps[0].state == "Succeeded"
    assert planned.look_at == w.now


@pytest.mark.parametrize(
    ("until", "state", "said"),
    [
        pytest.param("2026-01-31T08:00:30Z", "Running", None, id="ahead"),
        pytest.param("2026-01-31T09:00:30+01:00", "Running", None, id="in another zone"),
        pytest.param("2026-01-31T07:59:59Z", "Succeeded", None, id="passed"),
        pytest.param("0001-01-01T00:00:00+14:00", "Succeeded", None, id="before all time"),
        pytest.param("9999-12-31T23:59:59-14:00", "NotStarted", "over 366 days", id="never"),
        pytest.param("2026-01-31T08:00:30", "NotStarted", "no time of RFC 3339", id="no zone"),
        pytest.param("tomorrow", "NotStarted", "no time of RFC 3339", id="a word"),
        pytest.param(12, "NotStarted", "no time of RFC 3339", id="a number"),
        pytest.param(None, "NotStarted", "no time of RFC 3339", id="null"),
    ],
)
def test_until_a_time_that_a_caller_gives(until: Any, state: str, said: str | None) -> None:
    w = world(wait(until="{{ trigger.body.at }}"), step("a"), body={"at": until})

    record = w.step("pause")
    assert record["state"] == state
    assert record.get("reason") == {"Running": "Waiting", "NotStarted": "InvalidTemplate"}.get(
        state
    )
    assert said is None or said in record["message"]


def test_a_paused_run_waits_on_and_goes_no_further() -> None:
    w = world(wait(seconds=60), step("a"))
    w.ask("Paused")
    w.tick(60)
    w.reconcile()
    assert (w.step("pause")["state"], w.created) == ("Succeeded", [])

    w.ask("Running")
    w.reconcile()
    assert w.step("a")["state"] == "Running"


@pytest.mark.parametrize("waits", [wait(seconds=60), ask()], ids=["wait", "approval"])
@pytest.mark.parametrize("last", [True, False], ids=["the last step", "with one after it"])
def test_a_cancel_ends_it_at_once(waits: Raw, last: bool) -> None:
    w = world(waits, *([] if last else [step("a")]))
    w.ask("Cancelled")
    w.reconcile()

    record = w.step(waits["id"])
    assert (record["state"], record["reason"]) == ("Failed", "Cancelled")
    assert (w.verdict(), w.completed, w.created) == (("False", "Cancelled"), True, [])


@pytest.mark.parametrize("waits", [wait(seconds=60), ask()], ids=["wait", "approval"])
def test_the_deadline_of_the_run_ends_it(waits: Raw) -> None:
    w = world(waits, step("a"), activeDeadlineSeconds=30)
    assert stamp(w.plan().look_at or START) == "2026-01-31T08:00:30Z"

    w.tick(30)
    w.reconcile()

    assert w.step(waits["id"])["state"] == "Failed"
    assert w.verdict() == ("False", "RunDeadlineExceeded")


# Approvals.


def test_an_approval_asks_and_waits() -> None:
    w = world(step("a"), ask(message="Pay {{ steps.a.output.n }}?", required=2))
    w.ends('{"n": 5}')
    planned = w.reconcile()

    record = w.step("ok")
    shown = {k: record[k] for k in ("state", "reason", "message", "approvalsRequired", "approvals")}
    assert shown == {
        "state": "Running",
        "reason": "WaitingForApproval",
        "message": "Pay 5?",
        "approvalsRequired": 2,
        "approvals": [],
    }
    assert stamp(planned.look_at or START) == record["waitUntil"] == "2026-02-07T08:00:00Z"


def test_an_approval_is_written_down_before_anything_follows() -> None:
    w = world(ask(), step("a", of="{{ steps.ok.output.limit }}"))
    w.tick(1)
    name = w.decides("sam", data={"limit": 5})
    planned = w.plan()
    assert planned.effects == ()

    w.reconcile()

    assert w.step("ok")["output"] == {"limit": 5}
    assert w.step("ok")["approvals"] == [
        {"approver": "sam", "approvalName": name, "time": "2026-01-31T08:00:01Z"}
    ]
    assert w.step("a")["state"] == "Running"


def test_one_of_two_counts_even_if_its_object_goes() -> None:
    w = world(ask(required=2), step("a"))
    w.decides("sam")
    w.reconcile()
    w.approvals = {"again": w.approvals.popitem()[1]}
    w.approvals["again"]["metadata"]["name"] = "again"
    w.reconcile()
    assert (w.created, len(w.step("ok")["approvals"])) == ([], 1)
    assert "they had decided before" in w.step("ok")["message"]

    w.decides("kim")
    w.reconcile()

    assert [vote["approver"] for vote in w.step("ok")["approvals"]] == ["sam", "kim"]
    assert w.step("a")["state"] == "Running"


def test_a_rejection_fails_the_step_and_nothing_follows() -> None:
    w = world(ask(), step("a"))
    w.decides("sam", decision="Reject", comment="too much")
    w.reconcile()

    record = w.step("ok")
    assert (record["state"], record["reason"]) == ("Failed", "ApprovalRejected")
    assert record["message"] == "rejected by sam: too much"
    assert (w.verdict(), w.created) == (("False", "ApprovalRejected"), [])


@pytest.mark.parametrize(
    ("spec", "state", "reason"),
    [
        pytest.param({}, "Failed", "ApprovalExpired", id="rejects by default"),
        pytest.param({"onExpiry": "Reject"}, "Failed", "ApprovalExpired", id="rejects"),
        pytest.param({"onExpiry": "Approve"}, "Succeeded", None, id="approves"),
    ],
)
def test_silence(spec: Raw, state: str, reason: str | None) -> None:
    w = world(ask(expiresSeconds=60, **spec), step("a"))
    w.tick(60)
    assert w.plan(live=False).needs_live
    late = w.decides("sam")
    w.reconcile()

    record = w.step("ok")
    assert (record["state"], record.get("reason")) == (state, reason)
    assert record["message"].startswith("0 of 1 approvals in 1m0s")
    assert (late in record["message"]) is (state == "Failed")
    assert len(w.created) == (1 if state == "Succeeded" else 0)


def test_what_was_approved_in_time_counts_however_late_it_is_seen() -> None:
    w = world(ask(expiresSeconds=60), step("a"))
    w.tick(59)
    w.decides("sam")
    w.tick(1000)
    w.reconcile()

    assert w.step("ok")["state"] == "Succeeded"


def test_an_approval_of_another_run_of_that_name_is_none() -> None:
    w = world(ask(), step("a"))
    w.decides("sam", workflowName="other")
    w.reconcile()

    assert w.step("ok")["state"] == "Running"
    assert "it names the run run-1 of the Workflow other" in w.step("ok")["message"]


def test_the_question_stays_beside_what_is_ignored() -> None:
    w = world(ask(message="Pay?", required=3), step("a"))
    for _ in range(5):
        w.decides("sam")
    w.reconcile()

    message = w.step("ok")["message"]
    assert message.startswith("Pay?; ignored: by-sam-1 of sam: they had decided before")
    assert message.endswith("; and 1 more")


# Beside other steps.

NOW = {"needs": ["trigger"]}


@pytest.mark.parametrize("waits", [wait(seconds=60), ask()], ids=["wait", "approval"])
def test_nobody_waits_any_more_in_a_run_that_has_failed(waits: Raw) -> None:
    w = world({**waits, **NOW}, {**step("a"), **NOW}, step("b"))
    w.ends(code=1)
    w.reconcile()

    record = w.step(waits["id"])
    assert (record["state"], record["reason"]) == ("Skipped", "NotAwaited")
    assert (w.verdict(), w.completed) == (("False", "ExitCode"), True)


def test_two_waits_at_once_end_each_at_its_time() -> None:
    w = world(
        {**wait(seconds=60), **NOW}, {"id": "long", "wait": {"seconds": 90}, **NOW}, step("a")
    )
    w.tick(60)
    planned = w.reconcile()

    assert (w.step("pause")["state"], w.step("long")["state"]) == ("Succeeded", "Running")
    assert stamp(planned.look_at or START) == "2026-01-31T08:01:30Z"


def test_a_rejection_that_may_be_lets_the_run_go_on() -> None:
    w = world({**ask(), "onError": "Continue"}, step("a"))
    w.decides("sam", decision="Reject")
    w.reconcile()

    assert (w.step("ok")["state"], w.step("a")["state"]) == ("Failed", "Running")


def test_an_approval_that_is_not_needed_is_not_asked_for() -> None:
    w = world({**ask(), "when": "{{ trigger.body.n > 100 }}"}, step("a"), body={"n": 5})

    assert (w.step("ok")["state"], w.step("a")["state"]) == ("Skipped", "Running")


def test_what_was_done_is_undone_when_nobody_approves() -> None:
    done = {**step("a"), "compensate": {"action": "do-it"}}
    w = world(done, ask(expiresSeconds=60))
    w.ends("{}")
    w.reconcile()
    w.tick(60)
    w.reconcile()

    assert w.step("ok")["reason"] == "ApprovalExpired"
    assert w.step("a")["compensation"]["state"] == "Running"


# Whether approvals can be believed.

NAKED = Guard("an approval in another's name would be let through")


def test_it_is_asked_before_the_start() -> None:
    w = World(workflow(ask(), step("a")), DO)
    w.guard = None
    for _ in range(3):
        planned = w.plan()
        for effect in planned.effects:
            w.do(effect)
        if not planned.needs_guard:
            w.write(planned)
    assert w.plan().needs_guard

    w.guard = NAKED
    w.reconcile()

    record = w.step("ok")
    assert (record["state"], record["reason"]) == ("NotStarted", "ApprovalUnprotected")
    assert record["message"] == NAKED.fault


def test_it_is_asked_again_before_an_approval_counts() -> None:
    w = world(ask(required=2), step("a"))
    w.guard = None
    assert not w.plan().needs_guard
    w.decides("sam")
    assert w.plan().needs_guard

    w.guard = NAKED
    w.reconcile()

    record = w.step("ok")
    assert (record["state"], record["reason"]) == ("Failed", "ApprovalUnprotected")
    assert w.created == []


# Retry: what is taken over, and what is asked again.


def failed_after(*steps: Raw, output: str = "{}") -> World:
    w = world(step("first"), *steps, step("last"), body={"at": "2026-01-31T08:00:30Z"})
    w.ends(output)
    w.reconcile()
    w.decides("sam", data={"limit": 5})
    w.tick(60)
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert w.completed
    return w


@pytest.mark.parametrize(
    "waits", [wait(seconds=60), wait(until="{{ trigger.body.at }}"), ask()], ids=str
)
def test_a_retry_does_not_wait_again(waits: Raw) -> None:
    again = failed_after(waits).retry()
    again.reconcile()

    record = again.step(waits["id"])
    assert (record["state"], record["takenOver"]) == ("Succeeded", True)
    assert record["output"] == ({"limit": 5} if waits["id"] == "ok" else {})
    assert again.step("last")["state"] == "Running"


def test_a_retry_asks_again_where_something_before_it_is_different() -> None:
    w = failed_after(ask())
    w.status["steps"][0]["state"] = "Failed"
    again = w.retry()
    again.reconcile()
    again.ends('{"another": "output"}')
    again.reconcile()

    record = again.step("ok")
    assert (record["state"], record.get("takenOver"), record.get("output")) == (
        "Running",
        None,
        None,
    )
