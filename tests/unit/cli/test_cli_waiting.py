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
