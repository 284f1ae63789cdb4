"""How the tree shows a step that waits for people."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console

from workflow_do.cli.tree import View, run_tree
from workflow_do.sdk.run import parse_run

NOW = datetime(2026, 1, 31, 8, 0, 5, tzinfo=UTC)
WAITS = {
    "id": "approve",
    "state": "Running",
    "reason": "WaitingForApproval",
    "message": "Refund 80 for order A-1001?",
    "startTime": "2026-01-31T08:00:00Z",
    "waitUntil": "2026-02-07T08:00:00Z",
    "approvalsRequired": 2,
    "approvals": [{"approver": "sam@example.com", "approvalName": "x", "time": "2026-01-31"}],
}


EACH = {
    "id": "ok",
    "state": "Running",
    "startTime": "2026-01-31T08:00:00Z",
    "approvalsRequired": 2,
    "items": [
        {"state": "Succeeded", "approvals": []},
        {"state": "Running", "message": "Pay 20?", "approvals": [{"approver": "sam"}]},
        *[{"state": "Running", "message": f"Pay {n}?", "approvals": []} for n in range(30, 36)],
    ],
}


def test_what_is_asked_of_each_item_stands_in_the_tree() -> None:
    run = parse_run(
        {
            "metadata": {"name": "refund-1", "namespace": "shop", "uid": "u"},
            "spec": {"workflowName": "refund"},
            "status": {"steps": [EACH]},
        }
    )
    console = Console(width=80)
    with console.capture() as shown:
        console.print(run_tree(run, View(now=NOW)))

    text = shown.get()
    assert "waits for approval (1 of 8 items)" in text
    assert "[1] Pay 20? (1 of 2)" in text
    assert "[5] Pay 33?" in text
    assert "[6]" not in text
    assert "and 2 more" in text


def test_who_is_awaited_and_what_is_asked_stand_in_the_tree() -> None:
    run = parse_run(
        {
            "metadata": {"name": "refund-1", "namespace": "shop", "uid": "u"},
            "spec": {"workflowName": "refund"},
            "status": {"steps": [WAITS, {"id": "pay", "action": "pay-refund"}]},
        }
    )
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(run_tree(run, View(now=NOW)))

    text = shown.get()
    assert "waits for approval (1 of 2)" in text
    assert "Refund 80 for order A-1001?" in text
