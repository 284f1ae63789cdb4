"""What Argo CD and tools that read kstatus make of our objects, in every state they can be in."""

from __future__ import annotations

from typing import Any, Final

import pytest

from support import argocd
from support.states import RUNS, definition
from workflow_do.api import crd

Object = dict[str, Any]
BAD = {"inputSchema": {"$ref": "https://example.com/s.json"}}
NO_STEP = {"onFailure": {"action": "none", "input": {}}}
NEEDS_BODY = {"trigger": {"type": "api", "bodySchema": {"type": "object"}}}


def kstatus(obj: Object) -> str:
    """The rules of kstatus for kinds that it does not know by name, in their order."""
    meta, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in meta:
        return "Terminating"
    if status.get("observedGeneration", meta.get("generation")) != meta.get("generation"):
        return "InProgress"
    conditions = {row["type"]: row["status"] for row in status.get("conditions", ())}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


CANCELS: Final = {"cancel", "cancel-and-undo"}
GOING: Final = {"pause", *CANCELS}
EXPECTED: Final[dict[str, tuple[str, str, set[str]]]] = {
    # As kstatus takes what has no status at all; the operator writes one within milliseconds.
    "not seen yet": ("Progressing", "Current", GOING),
    "waiting for its Workflow": ("Progressing", "InProgress", GOING),
    "waiting for its place": ("Progressing", "InProgress", GOING),
    "waiting for approval": ("Progressing", "InProgress", GOING),
    "running": ("Progressing", "InProgress", GOING),
    "retrying": ("Progressing", "InProgress", GOING),
    "paused": ("Suspended", "InProgress", {"resume", *CANCELS}),
    "asked to pause": ("Suspended", "InProgress", {"resume", *CANCELS}),
    "resumed": ("Progressing", "InProgress", GOING),
    "finishing": ("Progressing", "InProgress", GOING),
    "cancelling": ("Progressing", "InProgress", set()),
    "compensating": ("Progressing", "InProgress", GOING),
    "cancelling with undo": ("Progressing", "InProgress", set()),
    "failed and undone": ("Degraded", "Failed", {"retry"}),
    "failed and not undone": ("Degraded", "Failed", {"retry"}),
    "completed with errors": ("Healthy", "Current", set()),
    "succeeded": ("Healthy", "Current", set()),
    "failed": ("Degraded", "Failed", {"retry"}),
    "failed and retried": ("Degraded", "Failed", set()),
    "cancelled": ("Degraded", "Failed", {"retry"}),
    "Workflow not found": ("Degraded", "Failed", set()),
    "body invalid": ("Degraded", "Failed", set()),
    "revision lost": ("Degraded", "Failed", {"retry"}),
    "interrupted": ("Degraded", "Failed", set()),
    "restored": ("Healthy", "Current", set()),
    "unreadable": ("Degraded", "Failed", set()),
}


@pytest.mark.parametrize("state", RUNS)
def test_a_run(state: str) -> None:
    run = RUNS[state]()
    found = argocd.health(run)

    assert (found["status"], kstatus(run), argocd.enabled(run)) == EXPECTED[state]


def test_a_run_in_progress_says_where_it_is() -> None:
    assert argocd.health(RUNS["running"]())["message"] == "Running 0/2 step one: Running"
    assert "exit code 3" in argocd.health(RUNS["failed"]())["message"]


@pytest.mark.parametrize(
    ("obj", "health", "status", "actions"),
    [
        pytest.param(definition("Action", seen=False), "Progressing", "Current", set(), id="new"),
        pytest.param(definition("Action"), "Healthy", "Current", set(), id="act-ready"),
        pytest.param(definition("Action", **BAD), "Degraded", "Failed", set(), id="act-bad"),
        pytest.param(
            definition("Action", stale=True), "Progressing", "InProgress", set(), id="act-stale"
        ),
        pytest.param(
            definition("Workflow", seen=False), "Progressing", "Current", {"pause"}, id="wf-new"
        ),
        pytest.param(definition("Workflow"), "Healthy", "Current", {"run", "pause"}, id="wf-ready"),
        pytest.param(
            definition("Workflow", **NEEDS_BODY),
            "Healthy",
            "Current",
            {"pause"},
            id="wf-body",
        ),
        pytest.param(
            definition("Workflow", suspend=True),
            "Healthy",
            "Current",
            {"resume"},
            id="wf-waits",
        ),
        pytest.param(
            definition("Workflow", **NO_STEP), "Degraded", "Failed", {"pause"}, id="wf-no-action"
        ),
        pytest.param(
            definition("Workflow", stale=True, **NO_STEP),
            "Progressing",
            "InProgress",
            {"pause"},
            id="wf-stale",
        ),
    ],
)
def test_a_definition(obj: Object, health: str, status: str, actions: set[str]) -> None:
    assert argocd.health(obj)["status"] == health
    assert kstatus(obj) == status
    assert argocd.enabled(obj) == actions


def test_every_kind_has_a_health_script() -> None:
    assert {path.name for path in argocd.SCRIPTS.iterdir()} == {
        found.names.kind for found in crd.DEFINITIONS
    }


def test_a_decision_is_always_well() -> None:
    spec = {"decision": "Reject"}
    approval = {"kind": "WorkflowApproval", "metadata": {"generation": 1}, "spec": spec}
    assert argocd.health(approval) == {"status": "Healthy", "message": "Reject"}
    assert kstatus(approval) == "Current"


def test_a_revision_is_always_well() -> None:
    revision = {"kind": "WorkflowRevision", "metadata": {"name": "flow-1", "generation": 1}}
    assert argocd.health(revision)["status"] == "Healthy"
    assert kstatus(revision) == "Current"


@pytest.mark.parametrize("state", RUNS)
def test_what_is_being_deleted_is_terminating(state: str) -> None:
    run = RUNS[state]()
    run["metadata"]["deletionTimestamp"] = "2026-01-31T08:00:00Z"
    assert kstatus(run) == "Terminating"


@pytest.mark.parametrize(
    ("state", "name", "spec"),
    [
        pytest.param("running", "pause", {"desiredState": "Paused"}, id="pause"),
        pytest.param("paused", "resume", {"desiredState": "Running"}, id="resume"),
        pytest.param("running", "cancel", {"desiredState": "Cancelled"}, id="cancel"),
        pytest.param(
            "running",
            "cancel-and-undo",
            {"desiredState": "CancelledWithCompensation"},
            id="cancel-and-undo",
        ),
    ],
)
def test_an_action_on_a_run_changes_what_is_asked_of_it_alone(
    state: str, name: str, spec: Object
) -> None:
    run = RUNS[state]()
    run["spec"]["trigger"]["body"] = {"empty": {}, "list": [], "nested": {"a": [{}, 1, 2.5, "x"]}}
    assert argocd.act(run, name) == {"spec": spec}


@pytest.mark.parametrize(("name", "value"), [("pause", True), ("resume", False)])
def test_a_workflow_is_suspended(name: str, value: bool) -> None:
    patch = argocd.act(definition("Workflow", suspend=not value), name)
    assert patch == {"spec": {"suspend": value}}


def test_where_lua_can_not_hold_a_body_nothing_is_changed_in_silence() -> None:
    """The patch then touches the trigger, which the API server refuses as immutable."""
    run = RUNS["running"]()
    run["spec"]["trigger"]["body"] = {"a": None, "b": 1}
    assert argocd.act(run, "pause")["spec"]["trigger"] == {"body": {"a": None}}


def test_run_starts_a_run_by_a_name_that_is_the_second() -> None:
    flow = definition("Workflow")
    flow["metadata"]["name"] = "a" * 50
    [made] = argocd.act(flow, "run")

    assert made["operation"] == "create"
    run = made["resource"]
    assert run["metadata"]["name"] == f"{'a' * 50}-{argocd.NOW:x}"
    assert len(run["metadata"]["name"]) <= 63
    assert run["metadata"]["namespace"] == "shop"
    assert run["spec"] == {"workflowName": "a" * 50, "trigger": {"type": "api"}}
    assert "ownerReferences" not in run["metadata"]


def test_retry_makes_a_run_that_the_operator_checks_against_the_original() -> None:
    run = RUNS["failed"]()
    [made] = argocd.act(run, "retry")

    assert made["operation"] == "create"
    retry = made["resource"]
    assert retry["metadata"]["name"] == f"retry-{run['metadata']['uid']}"
    assert retry["spec"] == {
        "workflowName": "flow",
        "trigger": run["spec"]["trigger"],
        "retryOf": {
            "runName": run["metadata"]["name"],
            "runUID": run["metadata"]["uid"],
            "sameTrigger": True,
        },
    }
