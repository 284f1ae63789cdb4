"""How the runs that steps have started are shown, and lines of steps without an Action."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from workflow_do.cli.lines import change_lines
from workflow_do.cli.relatives import Relatives
from workflow_do.cli.revisions import change_of
from workflow_do.cli.tree import View, run_tree
from workflow_do.sdk.errors import NotFound
from workflow_do.sdk.revisions import Revision
from workflow_do.sdk.run import Run, parse_run

NOW = datetime(2026, 1, 31, 8, 0, 5, tzinfo=UTC)
START = "2026-01-31T08:00:00Z"


def run(name: str, *steps: dict[str, Any], parent: str = "", verdict: str = "Unknown") -> Run:
    owner = {"kind": "WorkflowRun", "name": parent, "uid": f"uid-{parent}", "controller": True}
    reason = {"Unknown": "Running", "True": "Succeeded", "False": "ExitCode"}[verdict]
    conditions = [{"type": "Succeeded", "status": verdict, "reason": reason}]
    return parse_run(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": f"uid-{name}",
                "ownerReferences": [owner] if parent else [],
            },
            "spec": {"workflowName": name},
            "status": {"steps": list(steps), "conditions": conditions, "startTime": START},
        }
    )


def shown(whole: Run) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=100, color_system=None).print(run_tree(whole, View(NOW)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


CALL = {"id": "pay", "workflow": "pay", "state": "Running", "startTime": START}
PARENT = run("order", {**CALL, "runName": "order-pay-x", "runUID": "uid-order-pay-x"})
CHILD = run("order-pay-x", {"id": "charge", "action": "charge-card"}, parent="order")


def test_the_run_that_a_step_has_started_stands_below_it() -> None:
    rows = shown(replace(PARENT, children=(CHILD,)))
    assert rows[-3:] == [
        "└── ● pay  workflow pay  5s  Running",
        "    └── ● order-pay-x  Running · 5s",
        "        └── ○ charge  charge-card",
    ]


def test_a_child_names_its_parent() -> None:
    assert CHILD.parent == "order"
    assert any(row.split() == ["parent", "order"] for row in shown(CHILD))


def test_of_many_children_those_that_succeeded_are_left_out_first() -> None:
    items = [{"state": "Succeeded", "runUID": f"uid-c{at}"} for at in range(14)]
    each = run("order", {**CALL, "items": items})
    children = [run(f"c{at}", parent="order", verdict="True") for at in range(13)]
    failed = run("c13", parent="order", verdict="False")
    rows = shown(replace(each, children=(*children, failed)))
    assert next(row.split()[2] for row in rows if " c" in row) == "c13"
    assert rows[-1].endswith("… 4 more runs")


def test_a_run_that_is_a_retry_to_be_is_no_child_yet() -> None:
    [step] = run("order", {**CALL, "state": "Pending", "runUID": "uid-x"}).steps.values()
    assert step.run_uid is None


def test_a_line_names_the_workflow_of_a_step() -> None:
    assert "step pay (workflow pay): Running" in change_lines(None, PARENT)
    waits = run("order", {"id": "ok", "state": "Running", "reason": "WaitingForApproval"})
    assert "step ok: Running: WaitingForApproval" in change_lines(None, waits)


def test_children_are_read_until_the_end_and_what_cannot_be_read_stays() -> None:
    answers = [replace(PARENT, children=(CHILD,)), NotFound("gone")]

    def family(_: Run) -> Run:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Relatives(family) as relatives:
        relatives.look_at(replace(PARENT, completed=True))
        relatives.look_at(replace(PARENT, completed=True))
        assert relatives.of(PARENT).children == (CHILD,)
    assert answers == []


def test_a_changed_child_is_told_of_a_revision() -> None:
    before, after = (
        Revision("order-1", n, None, {"steps": []}, {}, {"pay": f"pay-{n}"}) for n in (1, 2)
    )
    assert change_of(before, after) == "workflow pay"
