"""The examples of docs/patterns.md as they are, on a real cluster: each does what its pattern says.

All runs are started together, in one namespace; each test then looks at its own. Those that wait
for a signal are started when it is sent.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import yaml
from hack.deploy import LOCAL_PREFIX, ROOT, image_prefix

from support.bench import Bench, Raw, condition, record, verdict

FOLDER = ROOT / "examples" / "patterns"
SAM = "sam@example.com"
BODIES: dict[str, Any] = {
    "exclusive-choice": {"total": 250},
    "multi-choice": {"ways": ["mail", "call"]},
    "acyclic-merge": {"check": False},
    "known-when-begun": {"depots": ["north", "west"]},
    "persistent-trigger": {"vehicle": 1},
    "recursion": {"left": 3},
    "interleaved": {"tests": ["hearing", "sight", "balance"]},
}
MORE: dict[str, tuple[str, Any]] = {
    "exclusive-choice-2": ("exclusive-choice", {"total": 50}),
    "persistent-trigger-2": ("persistent-trigger", {"vehicle": 2}),
    "persistent-trigger-3": ("persistent-trigger", {"vehicle": 3}),
}
NOT_ALONE = ("transient-trigger", "region", "section")
"""Started when a signal is sent, or by others."""
LONG = 120
"""Seconds that the slowest may take, with all others on the same two processors."""


@pytest.fixture(scope="module")
def started(shared: Bench) -> dict[str, str]:
    """Every example applied from its file, and a run of each Workflow: its name → the run's."""
    flows = []
    for path in sorted(FOLDER.glob("*.yaml")):
        source = path.read_text(encoding="utf-8")
        text = source.replace(LOCAL_PREFIX, image_prefix())
        shared.kubectl("apply", "-f", "-", stdin=text)
        objects = yaml.safe_load_all(text)
        flows += [o["metadata"]["name"] for o in objects if o["kind"] == "Workflow"]
    names = {flow: f"{flow}-1" for flow in sorted(flows) if flow not in NOT_ALONE}
    runs = {name: (flow, BODIES.get(flow)) for flow, name in names.items()} | MORE
    _start_the_hasty(shared, runs)
    shared.apply(*(_run(name, flow, body) for name, (flow, body) in runs.items()))
    return names | {name: name for name in MORE}


def _start_the_hasty(bench: Bench, runs: dict[str, tuple[str, Any]]) -> None:
    """The one whose items have so many seconds, before all others compete with it."""
    name = "cancel-instances-1"
    bench.apply(_run(name, *runs.pop(name)))

    def short_ones_are_over() -> bool:
        steps = bench.run(name).get("status", {}).get("steps", [{}])
        return [i["state"] for i in steps[0].get("items", ())][:2] == ["Succeeded"] * 2

    bench.until("the items that take no time have ended", short_ones_are_over, LONG)


def _run(name: str, flow: str, body: Any) -> Raw:
    return {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": name},
        "spec": {"workflowName": flow, "trigger": {"type": "api", "body": body}},
    }


def ended(bench: Bench, run: str, reason: str = "Succeeded") -> Raw:
    """The run once it is Completed, for that reason."""
    found = bench.finish(run, LONG)
    assert verdict(found)[1] == reason, found["status"]
    return found


def states(run: Raw) -> dict[str, str]:
    """Step → its state."""
    return {s["id"]: s["state"] for s in run["status"]["steps"]}


def order(run: Raw) -> list[str]:
    """The steps that were started, in that order."""
    begun = [s for s in run["status"]["steps"] if s.get("seq")]
    return [s["id"] for s in sorted(begun, key=lambda s: int(s["seq"]))]


def decide(bench: Bench, run: str, step: str, name: str, **spec: Any) -> None:
    """Sam sends a signal."""
    raw = bench.run(run)
    about = {"workflowName": raw["spec"]["workflowName"], "runName": run, "step": step}
    who = {"runUID": raw["metadata"]["uid"], "decision": "Approve", "approver": SAM}
    given = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowApproval",
        "metadata": {"name": name},
        "spec": {**about, **who, **spec},
    }
    bench.kubectl("create", f"--as={SAM}", "-f", "-", stdin=json.dumps(given))


def awaits_signal(bench: Bench, run: str, at: int) -> None:
    """Return once that step waits."""
    path = f"jsonpath={{.status.steps[{at}].reason}}=WaitingForApproval"
    what = f"workflowruns.workflow.do/{run}"
    bench.kubectl("wait", f"--for={path}", what, f"--timeout={LONG}s", limit=LONG + 15)


def test_signals_count_when_somebody_waits_for_them(shared: Bench, started: dict[str, str]) -> None:
    run = shared.start("transient-trigger")
    shared.until("its first step runs", lambda: _state(shared, run, 0) == "Running", LONG)
    decide(shared, run, "go", "too-early")
    awaits_signal(shared, run, 1)
    shared.until("it says so", lambda: "too-early" in _message(shared, run, 1), 20)
    assert record(shared.run(run), "drive")["state"] == "Pending"
    decide(shared, run, "go", "in-time")
    assert order(ended(shared, run)) == ["load", "go", "drive"]


def _state(bench: Bench, run: str, at: int) -> str:
    steps = bench.run(run).get("status", {}).get("steps", ())
    return str(steps[at]["state"]) if steps else ""


def _message(bench: Bench, run: str, at: int) -> str:
    return str(bench.run(run)["status"]["steps"][at].get("message", ""))


def test_who_speaks_first_decides_or_the_time_that_passes(
    shared: Bench, started: dict[str, str]
) -> None:
    run = shared.start("deferred-choice")
    awaits_signal(shared, run, 0)
    decide(shared, run, "customer", "collect-it", data={"way": "collect"})
    chosen = {"customer": "Succeeded", "send": "Skipped", "collect": "Succeeded"}
    assert states(ended(shared, run)) == chosen | {"remind": "Skipped"}
    silent = ended(shared, started["deferred-choice"], "CompletedWithErrors")
    assert record(silent, "customer")["reason"] == "ApprovalExpired"
    assert {k for k, v in states(silent).items() if v == "Succeeded"} == {"remind"}


def test_one_after_the_other(shared: Bench, started: dict[str, str]) -> None:
    run = ended(shared, started["sequence"])
    assert order(run) == ["weigh", "label", "send"]
    assert run["status"]["outputs"] == {"grams": 250}


def test_branches_and_their_join(shared: Bench, started: dict[str, str]) -> None:
    run = ended(shared, started["split-and-join"])
    assert record(run, "send")["output"] == {"shelf": 4, "number": 17}
    began = {s["id"]: s["startTime"] for s in run["status"]["steps"]}
    done = {s["id"]: s["completionTime"] for s in run["status"]["steps"]}
    assert max(began["pick"], began["bill"]) <= min(done["pick"], done["bill"])
    assert max(done["pick"], done["bill"]) <= began["send"]


@pytest.mark.parametrize(
    ("run", "taken", "skipped"),
    [("exclusive-choice", "insure", "plain"), ("exclusive-choice-2", "plain", "insure")],
)
def test_one_of_two_branches(
    run: str, taken: str, skipped: str, shared: Bench, started: dict[str, str]
) -> None:
    found = ended(shared, started[run])
    assert order(found) == ["price", taken, "send"]
    assert record(found, skipped)["state"] == "Skipped"
    assert record(found, "send")["output"] == {"how": "insured" if taken == "insure" else "plain"}


def test_some_of_three_branches(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["multi-choice"])
    told = {"mail": "Succeeded", "text": "Skipped", "call": "Succeeded"}
    assert record(found, "told")["output"] == told


def test_joins_that_overlap(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["acyclic-merge"])
    assert states(found).pop("check") == "Skipped"
    assert order(found)[-1] == "close"
    assert sorted(order(found)) == ["ask", "close", "offer", "report", "reserve"]


def test_a_run_ends_when_nothing_is_left(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["implicit-termination"])
    assert set(states(found).values()) == {"Succeeded"}
    assert found["status"]["progress"] == "3/3"


def test_nothing_waits_for_instances_that_nobody_needs(
    shared: Bench, started: dict[str, str]
) -> None:
    found = ended(shared, started["without-synchronization"])
    assert record(found, "next")["completionTime"] < record(found, "each")["completionTime"]
    assert len(record(found, "each")["items"]) == 3


@pytest.mark.parametrize(
    ("flow", "last", "count"),
    [
        ("known-when-written", "all", {"depots": 3}),
        ("known-when-begun", "all", {"depots": 2}),
        ("interleaved", "report", {"tests": 3}),
        ("threads", "one", {"threads": 3}),
    ],
)
def test_as_many_as_are_in_the_list(
    flow: str, last: str, count: Raw, shared: Bench, started: dict[str, str]
) -> None:
    found = ended(shared, started[flow])
    [number] = count.values()
    each, end = record(found, "each"), record(found, last)
    assert end["output"] == count
    assert [item["state"] for item in each["items"]] == ["Succeeded"] * number
    assert max(item["completionTime"] for item in each["items"]) <= end["startTime"]


def test_interleaved_items_are_never_two_at_once(shared: Bench, started: dict[str, str]) -> None:
    items = record(ended(shared, started["interleaved"]), "each")["items"]
    assert [item["seq"] for item in items] == [1, 2, 3]
    for before, after in itertools.pairwise(items):
        assert before["completionTime"] <= after["startTime"]


def test_items_that_take_too_long_are_stopped_and_the_others_stay(
    shared: Bench, started: dict[str, str]
) -> None:
    found = ended(shared, started["cancel-instances"], "CompletedWithErrors")
    items = record(found, "each")["items"]
    assert [item["state"] for item in items] == ["Succeeded", "Succeeded", "Unknown"]
    assert items[2]["reason"] == "StepDeadlineExceeded"
    assert record(found, "next")["output"] == {"each": "Unknown"}


def test_each_trigger_is_kept_until_its_turn(shared: Bench, started: dict[str, str]) -> None:
    runs = [started["persistent-trigger"], "persistent-trigger-2", "persistent-trigger-3"]
    found = [ended(shared, run) for run in runs]
    assert [record(run, "inspect")["output"]["vehicle"] for run in found] == [1, 2, 3]
    spans = sorted((r["status"]["admittedTime"], r["status"]["completionTime"]) for r in found)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), spans


def test_a_task_that_takes_too_long_is_cancelled_and_the_run_goes_on(
    shared: Bench, started: dict[str, str]
) -> None:
    found = ended(shared, started["cancel-task"], "CompletedWithErrors")
    assert record(found, "write")["output"] == {"call": "StepDeadlineExceeded"}


def test_a_case_is_cancelled(shared: Bench, started: dict[str, str]) -> None:
    run = started["cancel-case"]
    shared.until("its first step runs", lambda: _state(shared, run, 0) == "Running", LONG)
    patch = json.dumps({"spec": {"desiredState": "Cancelled"}})
    shared.kubectl("patch", f"workflowruns.workflow.do/{run}", "--type=merge", "-p", patch)
    found = ended(shared, run, "Cancelled")
    assert record(found, "never")["state"] in ("Pending", "NotStarted")
    assert [(f["id"], f["state"]) for f in found["status"]["finally"]] == [("tidy", "Succeeded")]


def test_what_follows_each_branch_runs_after_each(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["multi-merge"])
    assert set(states(found).values()) == {"Succeeded"}
    begun = order(found)
    assert begun.index("mail") < begun.index("mailLogged")
    assert begun.index("text") < begun.index("textLogged")


def test_a_fixed_order_is_kept(shared: Bench, started: dict[str, str]) -> None:
    assert order(ended(shared, started["fixed-order"])) == ["drawBlood", "xray", "evaluate"]


def test_a_program_is_asked_again_until_it_says_yes(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["repeat-until"])
    assert (record(found, "look")["attempts"], record(found, "look")["tries"]) == (3, 3)
    assert condition(found, "Completed")["status"] == "True"


def test_a_workflow_starts_itself_until_nothing_is_left(
    shared: Bench, started: dict[str, str]
) -> None:
    run = ended(shared, started["recursion"])
    assert run["status"]["outputs"] == {"taken": 3}
    assert states(run) == {"take": "Succeeded", "rest": "Succeeded"}


def children(bench: Bench, run: Raw) -> list[Raw]:
    """The runs that the steps of a run have started."""
    names = [s.get("runName") for s in run["status"]["steps"]]
    return [bench.run(name) for name in names if name]


def test_a_region_is_cancelled_and_the_run_goes_on(shared: Bench, started: dict[str, str]) -> None:
    found = ended(shared, started["cancel-region"], "CompletedWithErrors")
    assert record(found, "next")["output"] == {"region": "StepDeadlineExceeded"}
    [region] = children(shared, found)
    assert verdict(region) == ("False", "Cancelled")
    assert "Succeeded" not in states(region).values()


def test_one_branch_at_a_time_is_in_the_section(shared: Bench, started: dict[str, str]) -> None:
    sections = children(shared, ended(shared, started["critical-section"]))
    assert len(sections) == 2
    first, second = sorted(
        (s["status"]["admittedTime"], s["status"]["completionTime"]) for s in sections
    )
    assert first[1] <= second[0]
