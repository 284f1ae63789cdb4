"""Sagas on a whole cluster: what was done is undone, the newest first, and nobody forgets."""

from __future__ import annotations

from typing import Any

from support.bench import Bench, Raw, action, condition, record, step, verdict, workflow

DO = action(
    "book",
    "out({'ref': given['what'] + '-1'})",
    compensate={"action": "unbook", "input": {"ref": "{{ output.ref }}"}},
)
UNDO = action("unbook", "sys.exit(7) if given['ref'].startswith('hotel') else out({'gone': 1})")
FAIL = action("fail", "print('no room', flush=True); sys.exit(3)")
TELL = action("tell", "out({'told': given})")
WHATS = ("flight", "hotel", "car", "museum")


def trip(name: str, **spec: Any) -> Raw:
    """Four bookings and a step that fails."""
    steps = [step(what, "book", what=what) for what in WHATS]
    tell = {"action": "tell", "input": {"undone": "{{ failure.compensated }}"}}
    return workflow(name, *steps, step("pay", "fail"), **{"onFailure": tell, **spec})


def undo_order(run: Raw) -> list[str]:
    """The steps that have an undo with a start number, in the order of the starts."""
    undone = [s for s in run["status"]["steps"] if s.get("compensation", {}).get("seq")]
    return [s["id"] for s in sorted(undone, key=lambda s: s["compensation"]["seq"])]


def test_a_rollback_of_five_steps_goes_on_past_an_undo_that_fails(bench: Bench) -> None:
    bench.apply(DO, UNDO, FAIL, TELL, trip("trip"))
    run = bench.finish(bench.start("trip"))
    assert verdict(run) == ("False", "ExitCode")
    assert "pay" in condition(run, "Succeeded")["message"]
    assert undo_order(run) == ["museum", "car", "hotel", "flight"]
    states = {s: record(run, s)["compensation"]["state"] for s in WHATS}
    assert states == {s: "Failed" if s == "hotel" else "Succeeded" for s in WHATS}
    compensated = condition(run, "Compensated")
    assert (compensated["status"], compensated["reason"]) == ("False", "CompensationFailed")
    assert "hotel" in compensated["message"]
    assert "car" not in compensated["message"]
    told = run["status"]["onFailure"]["output"]["told"]["undone"]
    assert [(u["step"], u["state"]) for u in told] == [
        ("museum", "Succeeded"),
        ("car", "Succeeded"),
        ("hotel", "Failed"),
        ("flight", "Succeeded"),
    ]
    assert len(bench.jobs(run)) == 5 + 4 + 1


def test_with_stop_nothing_is_undone_and_the_run_says_so(bench: Bench) -> None:
    bench.apply(DO, UNDO, FAIL, TELL, trip("trip", failurePolicy="Stop"))
    run = bench.finish(bench.start("trip"))
    assert verdict(run) == ("False", "ExitCode")
    assert undo_order(run) == []
    compensated = condition(run, "Compensated")
    assert (compensated["status"], compensated["reason"]) == ("False", "NotCompensated")
    assert all(what in compensated["message"] for what in WHATS)
    assert run["status"]["onFailure"]["output"]["told"]["undone"] == []


def test_a_cancel_with_compensation_undoes_without_telling_anybody(bench: Bench) -> None:
    slow = action("slow", "time.sleep(4); out({})")
    flow = workflow(
        "trip",
        step("car", "book", what="car"),
        step("wait", "slow"),
        step("museum", "book", what="museum"),
        onFailure={"action": "tell"},
    )
    bench.apply(DO, UNDO, TELL, slow, flow)
    name = bench.start("trip")

    def waits() -> bool:
        steps = bench.run(name).get("status", {}).get("steps", ())
        return any(s["id"] == "wait" and s["state"] == "Running" for s in steps)

    bench.until("the second step runs", waits, 40)
    patch = '{"spec": {"desiredState": "CancelledWithCompensation"}}'
    bench.kubectl("patch", f"workflowruns.workflow.do/{name}", "--type=merge", "-p", patch)
    run = bench.finish(name)
    assert verdict(run) == ("False", "Cancelled")
    assert record(run, "wait")["state"] == "Succeeded", "live tries end by themselves"
    assert record(run, "museum")["state"] == "Pending"
    assert undo_order(run) == ["car"]
    assert condition(run, "Compensated")["status"] == "True"
    assert "onFailure" not in run["status"]
